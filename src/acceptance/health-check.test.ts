/** The health checks of docker-compose.yml against real stages: a stage that is stopped does not pass. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parse } from 'yaml'
import { type BuiltLake, buildLake } from '../cli/built.fixture.ts'

const { services } = parse(await readFile(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8'), {
  merge: true,
})
const timeout = 30_000

let built: BuiltLake
let home: string
beforeAll(async () => {
  built = await buildLake()
  home = await mkdtemp(join(tmpdir(), 'lakeshore-health-'))
})
afterAll(async () => {
  await rm(home, { recursive: true, force: true })
  await built[Symbol.asyncDispose]()
})

const environment = (): NodeJS.ProcessEnv => ({ PATH: '/usr/bin:/bin', LAKE_HOME: home, DUCKDB_THREADS: '1' })

/** As Docker runs it: in a container of the stage, whose variables these are. */
function isHealthy(stage: string): boolean {
  const [kind, command] = services[stage].healthcheck.test
  expect(kind).toBe('CMD-SHELL')
  const { status } = spawnSync('sh', ['-c', String(command).replaceAll('$$', '$')], { env: environment() })
  return status === 0
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGCONT')
  child.kill('SIGTERM')
  await ended
}

describe('the health check of a stage', () => {
  it.each([
    ['producer', 'produce'],
    ['landing', 'land'],
    ['scheduler', 'schedule'],
  ])(
    'passes while the stage gets on, and not while it is stopped: %s',
    async (stage, command) => {
      expect(isHealthy(stage)).toBe(false)
      const child = spawn(process.execPath, [built.main, command], { env: environment(), stdio: 'ignore' })
      try {
        await vi.waitFor(() => expect(isHealthy(stage)).toBe(true), { timeout, interval: 200 })
        child.kill('SIGSTOP')
        const minutesAgo = new Date(Date.now() - 180_000)
        await utimes(join(home, 'heartbeat', `${stage}.${hostname()}`), minutesAgo, minutesAgo)
        expect(isHealthy(stage)).toBe(false)

        child.kill('SIGCONT')
        await vi.waitFor(() => expect(isHealthy(stage)).toBe(true), { timeout: 60_000, interval: 200 })
      } finally {
        await end(child)
      }
      expect(await readdir(join(home, 'heartbeat'))).toEqual([])
    },
    120_000,
  )
})
