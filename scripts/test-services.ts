/**
 * `npm run test:services [-- --only kafka,mariadb] [vitest's arguments]`: installs and starts real servers on
 * the loopback, runs the service tests against them, and ends the servers whatever happens. With `--install` it
 * only installs them.
 *
 * Exit: the tests' own code; 2 where a server could not be had; 130 when interrupted.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { messageOf } from '../src/lib/base/errors.ts'
import { alone } from '../src/lib/jupyter/alone.ts'
import { chromium } from './services/chromium.ts'
import { deltalake } from './services/deltalake.ts'
import { jupyter } from './services/jupyter.ts'
import { kafka } from './services/kafka.ts'
import { kafkaSecured } from './services/kafka-secured.ts'
import { mariadb } from './services/mariadb.ts'
import { s3 } from './services/s3.ts'
import { sail } from './services/sail.ts'
import { MissingTool, type RunningService, type Service } from './services/service.ts'
import { spark } from './services/spark.ts'

const services: readonly Service[] = [
  kafka,
  kafkaSecured,
  mariadb,
  s3,
  chromium,
  jupyter,
  deltalake,
  sail,
  spark,
]
const projectDir = resolve(import.meta.dirname, '..')

const say = (line: string): void => void process.stderr.write(`${line}\n`)
const secondsSince = (startMs: number): string => `${((performance.now() - startMs) / 1000).toFixed(1)} s`

const usage = `Usage: npm run test:services [-- options] [tests]

Installs and starts real servers on the loopback, runs the service tests against them, and ends the servers.

  --only a,b   only these: ${services.map(({ name }) => name).join(', ')}
  --install    only install the servers
  --help       show this help

Everything else goes to vitest: npm run test:services -- --only kafka src/lib/eventlog
LAKE_SERVICES_CACHE names the folder of the installed servers (default: .cache/services).
`

/** Takes `--only a,b` out of the arguments; the rest are vitest's. */
function choose(args: readonly string[]): { chosen: readonly Service[]; rest: readonly string[] } {
  const at = args.findIndex((argument) => argument === '--only' || argument.startsWith('--only='))
  const flag = args[at]
  if (flag === undefined) return { chosen: services, rest: args }
  const hasValue = flag.includes('=')
  const names = (hasValue ? flag.slice('--only='.length) : (args[at + 1] ?? '')).split(',')
  const chosen = services.filter(({ name }) => names.includes(name))
  const unknown = names.filter((name) => !services.some((service) => service.name === name))
  if (unknown.length > 0) {
    const known = services.map(({ name }) => name).join(', ')
    throw new MissingTool(`--only ${unknown.join(',')}: there is no such service; there are ${known}`)
  }
  return { chosen, rest: args.toSpliced(at, hasValue ? 1 : 2) }
}

async function timed<T>(what: string, work: Promise<T>): Promise<T> {
  const startMs = performance.now()
  const result = await work
  say(`  ${what} after ${secondsSince(startMs)}`)
  return result
}

function runTests(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number> {
  const vitest = join(projectDir, 'node_modules', 'vitest', 'vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', '-c', 'vitest.services.config.ts', ...args], {
    cwd: projectDir,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  })
  signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

async function main(): Promise<number> {
  const args = process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(usage)
    return 0
  }
  const isInstall = args.includes('--install')
  const { chosen, rest } = choose(args.filter((argument) => argument !== '--install'))
  const place = {
    cacheDir: resolve(process.env['LAKE_SERVICES_CACHE'] ?? join(projectDir, '.cache', 'services')),
    scratchDir: mkdtempSync(join(tmpdir(), 'lake-services-')),
  }
  mkdirSync(place.cacheDir, { recursive: true })
  writeFileSync(join(place.cacheDir, '.gitignore'), '*\n')
  // Programs of Jupyter would take its scripts for modules, as the project's package.json says.
  writeFileSync(join(place.cacheDir, 'package.json'), '{ "type": "commonjs" }\n')
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())

  const running: RunningService[] = []
  try {
    const names = chosen.map(({ name }) => name).join(', ')
    say(`${isInstall ? 'Installing' : 'Starting'} ${names} (cache ${place.cacheDir})`)
    const bringUp = async (service: Service): Promise<void> => {
      await timed(`${service.name} installed`, service.install(place))
      if (!isInstall) running.push(await timed(`${service.name} started`, service.start(place)))
    }
    // Also between two of this script that share a cache.
    const lock = join(place.cacheDir, 'install.lock')
    const outcomes = await alone(lock, { say, signal: interrupted.signal }, () =>
      Promise.allSettled(chosen.map(bringUp)),
    )
    const failures = outcomes.flatMap((outcome, at) =>
      outcome.status === 'rejected' ? [`${chosen[at]?.name}: ${messageOf(outcome.reason)}`] : [],
    )
    if (interrupted.signal.aborted) return 130
    for (const failure of failures) say(failure)
    if (failures.length > 0) return 2
    if (isInstall) return 0
    const env = Object.fromEntries(running.flatMap((service) => Object.entries(service.env)))
    const code = await runTests(rest, env, interrupted.signal)
    return interrupted.signal.aborted ? 130 : code
  } catch (error) {
    if (interrupted.signal.aborted) return 130
    throw error
  } finally {
    await Promise.allSettled(running.map((service) => service.stop()))
    rmSync(place.scratchDir, { recursive: true, force: true })
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    say(messageOf(error))
    process.exit(2)
  },
)
