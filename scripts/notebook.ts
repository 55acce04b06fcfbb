/**
 * `npm run notebook`: JupyterLab on the loopback, with the TypeScript kernel and the platform's modules ready.
 * `npm run notebook -- --execute [FILE…]`: runs notebooks headless and keeps the executed copies.
 *
 * Exit: 0 done; 1 where a cell failed; 2 where something needed could not be had; 130 when interrupted.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { messageOf } from '../src/lib/base/errors.ts'
import { readConfig } from '../src/pipeline/platform/config.ts'
import { type NotebookEnvironment, notebooksDir, prepareEnvironment } from './notebook/environment.ts'
import { freePort } from './services/command.ts'
import { MissingTool } from './services/service.ts'

const usage = `npm run notebook                              open JupyterLab
npm run notebook -- --execute                 run all notebooks, keep the copies in $LAKE_HOME/notebooks
npm run notebook -- --execute FILE.ipynb      run one

  --port PORT      of JupyterLab (default: a free one)
  --no-browser     do not open a browser`

const say = (line: string): void => void process.stderr.write(`${line}\n`)
const outcomeSchema = z.object({
  cells: z.number(),
  failure: z.object({ cell: z.number().nullable(), text: z.string() }).nullable(),
})

const interrupted = new AbortController()

/** Ends with its code; `undefined` when a signal ended it. */
function ended(child: ChildProcess): Promise<number | undefined> {
  const stop = (): void => void child.kill('SIGTERM')
  interrupted.signal.addEventListener('abort', stop, { once: true })
  if (interrupted.signal.aborted) stop()
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? undefined))
  })
}

async function executeOne(
  path: string,
  copies: string,
  { bin, env }: NotebookEnvironment,
): Promise<z.infer<typeof outcomeSchema>> {
  const script = join(import.meta.dirname, 'notebook', 'execute.py')
  // A process group of its own: Ctrl-C reaches the kernel through us alone, and in order.
  const child = spawn(join(bin, 'python'), [script, path, join(copies, basename(path)), notebooksDir], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let [answer, words] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    answer += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text
  })
  const code = await ended(child)
  try {
    return outcomeSchema.parse(JSON.parse(answer.trim().split('\n').at(-1) ?? ''))
  } catch {
    throw new MissingTool(`${path}: could not be executed (exit ${code ?? 'by a signal'})\n${words.trim()}`)
  }
}

async function executeAll(
  files: readonly string[],
  copies: string,
  environment: NotebookEnvironment,
): Promise<number> {
  mkdirSync(copies, { recursive: true })
  let failed = 0
  for (const path of files) {
    const startMs = performance.now()
    const { cells, failure } = await executeOne(path, copies, environment)
    const seconds = `${((performance.now() - startMs) / 1000).toFixed(1)} s`
    if (failure === null) say(`${basename(path)}  ok, ${cells} cells, ${seconds}`)
    else {
      failed += 1
      const where = failure.cell === null ? '' : ` in cell ${failure.cell}`
      say(`${basename(path)}  FAILED${where}, ${seconds}\n${failure.text.replaceAll(/^/gm, '    ')}`)
    }
  }
  say(`Executed copies: ${copies}`)
  return failed === 0 ? 0 : 1
}

async function openLab(
  { port: wanted, hasBrowser }: { readonly port: number | undefined; readonly hasBrowser: boolean },
  { bin, env }: NotebookEnvironment,
): Promise<number> {
  const port = wanted ?? (await freePort())
  const token = randomBytes(24).toString('hex')
  const child = spawn(
    join(bin, 'jupyter'),
    [
      'lab',
      '--ip=127.0.0.1',
      `--port=${port}`,
      '--ServerApp.port_retries=0',
      `--ServerApp.root_dir=${notebooksDir}`,
      '--Application.log_level=WARN',
      ...(hasBrowser ? [] : ['--no-browser']),
      ...(process.getuid?.() === 0 ? ['--allow-root'] : []),
    ],
    // The token goes by the environment: arguments are seen by every user of the machine.
    { env: { ...env, JUPYTER_TOKEN: token }, stdio: ['ignore', 'inherit', 'inherit'], detached: true },
  )
  const done = ended(child)
  const isUp = async (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/api/status?token=${token}`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (child.exitCode === null && child.signalCode === null && !interrupted.signal.aborted) {
    if (await isUp()) {
      say(`JupyterLab: http://127.0.0.1:${port}/lab/tree/01-first-look.ipynb?token=${token}\nCtrl-C ends it.`)
      break
    }
    await new Promise((wake) => setTimeout(wake, 200))
  }
  const code = await done
  if (interrupted.signal.aborted) return 0
  throw new MissingTool(`JupyterLab ended (exit ${code ?? 'by a signal'}); is port ${port} taken?`)
}

interface Arguments {
  readonly isHelp: boolean
  readonly port: number | undefined
  readonly hasBrowser: boolean
  /** `undefined`: open JupyterLab. */
  readonly execute: readonly string[] | undefined
}

function parseArguments(args: readonly string[]): Arguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      execute: { type: 'boolean', default: false },
      port: { type: 'string' },
      'no-browser': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (!values.execute && positionals.length > 0) {
    throw new MissingTool(`${positionals.join(' ')}: files are named after --execute\n${usage}`)
  }
  const port = values.port === undefined ? undefined : Number(values.port)
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new MissingTool(`--port ${values.port}: expected a number from 1 to 65535`)
  }
  const execute = positionals.map((file) => resolve(file))
  for (const file of execute) {
    if (!existsSync(file)) throw new MissingTool(`${file}: there is no such notebook`)
  }
  return {
    isHelp: values.help,
    port,
    hasBrowser: !values['no-browser'] && process.stdout.isTTY,
    execute: values.execute ? (execute.length > 0 ? execute : allNotebooks()) : undefined,
  }
}

function allNotebooks(): readonly string[] {
  return readdirSync(notebooksDir)
    .filter((name) => name.endsWith('.ipynb'))
    .sort()
    .map((name) => join(notebooksDir, name))
}

async function main(): Promise<number> {
  const { isHelp, execute, ...lab } = parseArguments(process.argv.slice(2))
  if (isHelp) {
    process.stdout.write(`${usage}\n`)
    return 0
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  const config = readConfig()
  const environment = await prepareEnvironment(config, { say, signal: interrupted.signal })
  if (interrupted.signal.aborted) return 130
  if (execute === undefined) return openLab(lab, environment)
  return executeAll(execute, join(config.home, 'notebooks'), environment)
}

main().then(
  (code) => process.exit(interrupted.signal.aborted && code !== 0 ? 130 : code),
  (error: unknown) => {
    say(messageOf(error))
    process.exit(interrupted.signal.aborted ? 130 : 2)
  },
)
