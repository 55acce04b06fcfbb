/**
 * The promises under SIGKILL: stages run as processes, two of each, and are killed at random, the producer and
 * the ClickHouse server too. What is left at the end must be what the log says.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildLake } from '../../cli/built.fixture.ts'
import { systemClock } from '../../lib/base/clock.ts'
import { readEndpoint } from '../../lib/clickhouse-server/endpoint.ts'
import { openPlatform } from '../../pipeline/platform/compose.ts'
import { type Environment, readConfig } from '../../pipeline/platform/config.ts'
import { runLandingStage, runRealtimeStage } from '../../pipeline/platform/stages.ts'
import { compareWithLog } from './exact.ts'

const seed = Number(process.env['LAKE_KILL_SEED'] ?? Date.now() % 100_000)

let main = ''
let home = ''
const children = new Set<ChildProcess>()
/** Each stage needs a second or two; one that is still there after this long waits for something that never comes. */
const stageMs = 180_000
beforeAll(async () => {
  main = await buildLake()
})
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-kill-'))
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  await rm(home, { recursive: true, force: true, maxRetries: 5 })
})

interface Stage {
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
}

/** Nothing is inherited: a variable that names a server would send the stage there. */
function start(words: readonly string[], environment: Environment): Stage {
  const child = spawn(process.execPath, [main, ...words], {
    env: {
      LAKE_HOME: home,
      DUCKDB_THREADS: '1',
      LANDING_MAX_ROWS: '150',
      LOG_LEVEL: 'silent',
      ...environment,
    },
    stdio: 'ignore',
  })
  children.add(child)
  const ended = new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new Error(`lake ${words.join(' ')} (${child.pid ?? 0}) had not ended after ${stageMs} ms`))
    }, stageMs)
    child.once('exit', (code) => {
      clearTimeout(late)
      resolve(code)
    })
  }).finally(() => children.delete(child))
  return { child, ended }
}

function randomFrom(start: number): (below: number) => number {
  let state = start
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state % below
  }
}

export function describeKills(
  name: string,
  { rounds, environment = {} }: { readonly rounds: number; readonly environment?: Environment },
): void {
  const lake = (...words: readonly string[]): Stage => start(words, environment)

  describe(`the stages under SIGKILL, ${name}`, () => {
    it(`lose and double nothing (seed ${seed})`, async () => {
      const random = randomFrom(seed)
      let kills = 0
      await lake('produce', '--count', '500', '--history-days', '2').ended
      for (let round = 0; round < rounds; round++) {
        const producers = [
          lake('produce', '--count', '1500', '--history-days', '2', '--late', '0.05', '--malformed', '0.02'),
        ]
        const stages = [
          lake('land', '--drain'),
          lake('land', '--drain'),
          lake('realtime', '--drain'),
          lake('realtime', '--drain'),
        ]
        const all = [...stages, ...producers]
        // Processes need some 300 ms to start: within this time they die early, in the midst, or are done.
        await systemClock.sleep(200 + random(1_000))
        for (const { child } of all) {
          if ((random(3) > 0 || kills === 0) && child.exitCode === null && child.kill('SIGKILL')) kills += 1
        }
        const server = await readEndpoint(home)
        if (server !== undefined && random(2) === 0) {
          try {
            process.kill(server.pid, 'SIGKILL')
            kills += 1
          } catch {
            // It had ended already.
          }
        }
        for (const code of await Promise.all(all.map(({ ended }) => ended))) {
          // One that is killed has no code; one that outlives the server's death, or is overtaken, ends in order.
          expect([0, null]).toContain(code)
        }
      }

      const platform = openPlatform(readConfig({ LAKE_HOME: home, ...environment }))
      try {
        await runLandingStage(platform, { drain: true, signal: AbortSignal.timeout(stageMs) })
        await runRealtimeStage(platform, { drain: true, signal: AbortSignal.timeout(stageMs) })
        const { places, onTime, late } = await compareWithLog(platform, join(home, 'tables'))

        expect(kills).toBeGreaterThan(0)
        expect(places.log.length).toBeGreaterThan(0)
        expect(places.written).toEqual(places.log)
        expect(onTime.written).toEqual(onTime.log)
        expect(late.written).toEqual(late.log)
      } finally {
        await platform[Symbol.asyncDispose]()
      }
    }, 900_000)
  })
}
