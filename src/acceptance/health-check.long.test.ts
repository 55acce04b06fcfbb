/** The health checks of docker-compose.yml against real stages: a stage that is stopped does not pass. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parse } from 'yaml'
import { buildLake } from '../cli/built.fixture.ts'

const { services } = parse(await readFile(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8'), {
  merge: true,
})
const timeout = 30_000

let main = ''
let root: string
beforeAll(async () => {
  main = await buildLake()
  root = await mkdtemp(join(tmpdir(), 'lakeshore-health-'))
})
afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

/** Each stage has a home of its own: they are looked at side by side. */
const homeOf = (stage: string): string => join(root, stage)

const environmentOf = (stage: string): NodeJS.ProcessEnv => ({
  PATH: '/usr/bin:/bin',
  LAKE_HOME: homeOf(stage),
  DUCKDB_THREADS: '1',
})

/** As Docker runs it: in a container of the stage, whose variables these are. */
async function isHealthy(stage: string): Promise<boolean> {
  const [kind, command] = services[stage].healthcheck.test
  expect(kind).toBe('CMD-SHELL')
  const env = environmentOf(stage)
  const check = spawn('sh', ['-c', String(command).replaceAll('$$', '$')], { env, stdio: 'ignore' })
  const [status] = await once(check, 'exit')
  return status === 0
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGCONT')
  child.kill('SIGTERM')
  await ended
}

describe('the health check of a stage', () => {
  it.concurrent.each([
    ['producer', 'produce'],
    ['landing', 'land'],
    ['scheduler', 'schedule'],
  ])(
    'passes while the stage gets on, and not while it is stopped: %s',
    async (stage, command) => {
      expect(await isHealthy(stage)).toBe(false)
      const child = spawn(process.execPath, [main, command], {
        env: environmentOf(stage),
        stdio: 'ignore',
      })
      try {
        await vi.waitFor(async () => expect(await isHealthy(stage)).toBe(true), { timeout, interval: 200 })
        child.kill('SIGSTOP')
        const minutesAgo = new Date(Date.now() - 180_000)
        await utimes(join(homeOf(stage), 'heartbeat', `${stage}.${hostname()}`), minutesAgo, minutesAgo)
        expect(await isHealthy(stage)).toBe(false)

        child.kill('SIGCONT')
        await vi.waitFor(async () => expect(await isHealthy(stage)).toBe(true), {
          timeout: 60_000,
          interval: 200,
        })
      } finally {
        await end(child)
      }
      expect(await readdir(join(homeOf(stage), 'heartbeat'))).toEqual([])
    },
    120_000,
  )
})
