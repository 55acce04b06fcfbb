import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { buildModules } from '../../../lib/base/built.fixture.ts'
import { openRunStore } from '../../../lib/runs/run-store.ts'
import { openEngines } from '../../serving/engines.fixture.ts'
import { ensureServingSchema } from '../../serving/schema.ts'
import { emptyServing } from '../../serving/serving.fixture.ts'
import type { ChildTask, Job } from './child.fixture.ts'
import { check, model, steps } from './model.fixture.ts'
import { describePublication, movesOfRun, randomTrace, type Trace } from './publication.contract.ts'
import { type Lake, makeTables, type Seen, seenByRelease, seenInClickHouse } from './run.fixture.ts'

describe('the publication model', () => {
  it('keeps every promise with more versions, runs and faults', () => {
    const { states, violation } = check({ ...model, mostBronze: 3, runs: 3 })

    expect(violation).toBeUndefined()
    expect(states).toBeGreaterThan(100_000)
  })
})

const seed = Number(process.env['LAKE_PUBLICATION_SEED'] ?? Date.now() % 100_000)

const traces: Record<string, Trace> = {
  'a release that arrives after that of the next run': [
    ...movesOfRun(0, 'publish-release'),
    'run 0 is late at publish-release',
    'bronze grows',
    ...movesOfRun(1),
    'run 0 publish-release arrives late',
  ],
  'a run that is killed at its last table, one that fails a check there, and one that passes': [
    ...movesOfRun(0, 'commit-gold-b'),
    'run 0 is late at commit-gold-b',
    'run 0 never makes commit-gold-b',
    'bronze grows by what fails a check',
    ...movesOfRun(1),
    'bronze grows',
    ...movesOfRun(0),
  ],
}
// Before it has the lease, a run is none yet.
for (const step of steps.slice(1)) {
  const begun = [...movesOfRun(0, step), `run 0 is late at ${step}`]
  traces[`killed before ${step}, and made again`] = [...begun, `run 0 never makes ${step}`, ...movesOfRun(1)]
  traces[`${step} arrives after the next run`] = [
    ...begun,
    'bronze grows',
    ...movesOfRun(1),
    `run 0 ${step} arrives late`,
    ...movesOfRun(0),
  ]
}
for (let n = 0; n < 4; n++) traces[`at random, seed ${seed + n}`] = randomTrace(seed + n, 60)

describePublication(traces)

/** Every further one takes seconds of both cores: LAKE_RELEASES asks for more. */
const releases = Number(process.env['LAKE_RELEASES'] ?? 40)
/** Every tenth version of bronze fails a check. */
const isBad = (version: number): boolean => version % 10 === 5

/** Before each step a run is killed, then after each: at versions that fail no check, over as many as there are. */
function jobsOf(versions: number): readonly Job[] {
  const jobs: Job[] = []
  const apart = Math.max(2, 2 * Math.floor(versions / (4 * steps.length + 2)))
  for (let grow = 1; grow <= versions; grow++) {
    const kills = grow / apart - 1
    const step = kills < 2 * steps.length ? steps[kills % steps.length] : undefined
    if (step === undefined) jobs.push({ grow })
    else jobs.push({ grow, kill: { step, when: kills < steps.length ? 'before' : 'after' } }, {})
  }
  return jobs
}

/** One process after another, until all jobs are done. @returns how many were killed. */
async function runJobs(task: ChildTask): Promise<number> {
  const built = await buildModules(['pipeline/batch/publication/child.fixture.ts'])
  const main = built.fileOf('pipeline/batch/publication/child.fixture.ts')
  let killed = 0
  for (let { jobs } = task; jobs.length > 0; ) {
    const child = spawn(process.execPath, [main, JSON.stringify({ ...task, jobs })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let done = 0
    createInterface({ input: child.stdout }).on('line', () => {
      done += 1
    })
    const signal = await new Promise((resolve, reject) => {
      child.once('close', (code, by) =>
        code === 0 || by === 'SIGKILL' ? resolve(by) : reject(new Error(`Ended with ${code ?? by}`)),
      )
    })
    if (signal !== null) killed += 1
    jobs = jobs.slice(signal === null ? done : done + 1)
  }
  return killed
}

interface Polled {
  readonly problems: readonly string[]
  readonly polls: number
  /** Releases that were seen. */
  readonly seen: ReadonlySet<number>
}

const pollMs = 20
/** A reader may need longer than that for one look. */
const readers = 3

/** What readers see, fifty times a second. */
async function pollAll(lake: Lake, done: AbortSignal): Promise<Polled> {
  const all = await Promise.all(
    Array.from({ length: readers }, async (_, reader) => {
      await sleep(reader * pollMs)
      return poll(lake, done)
    }),
  )
  return {
    problems: all.flatMap(({ problems }) => problems),
    polls: all.reduce((sum, { polls }) => sum + polls, 0),
    seen: new Set(all.flatMap(({ seen }) => [...seen])),
  }
}

/** One reader. */
async function poll(lake: Lake, done: AbortSignal): Promise<Polled> {
  const problems: string[] = []
  const known = new Map<number, Seen>()
  let [polls, load, released]: [number, Seen, Seen] = [0, { a: 0, b: 0 }, { a: 0, b: 0 }]
  while (!done.aborted) {
    const nextMs = Date.now() + readers * pollMs
    const id = (await lake.store.releases.newest())?.id ?? 0
    const release = known.get(id) ?? (await seenByRelease(lake))
    known.set(id, release)
    const shown = await seenInClickHouse(lake)
    for (const [name, was, is] of [
      ['ClickHouse', load, shown],
      ['release', released, release],
    ] as const) {
      if (is.a !== is.b) problems.push(`${name} shows part of a run: ${is.a}, ${is.b}`)
      if (is.a < was.a) problems.push(`${name} goes back: ${was.a}, ${is.a}`)
      if (isBad(is.a)) problems.push(`${name} shows what failed a check: ${is.a}`)
    }
    if (shown.a < release.a)
      problems.push(`release ${release.a} is not in ClickHouse, which shows ${shown.a}`)
    ;[load, released] = [shown, release]
    polls += 1
    await sleep(Math.max(0, nextMs - Date.now()))
  }
  return { problems, polls, seen: new Set(known.keys()) }
}

describe('a reader', () => {
  it(`sees whole releases alone, in order, during ${releases} of them, with failing checks and SIGKILL at each step`, async () => {
    await using engines = await openEngines()
    const { duckdb, clickhouse, home } = engines
    const folder = await mkdtemp(join(tmpdir(), 'lakeshore-publication-'))
    await ensureServingSchema(clickhouse, {})
    await emptyServing(clickhouse)
    await using store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}` })
    const enough = Math.ceil(releases / 0.9)
    // The last one has to be seen.
    const versions = isBad(enough) ? enough + 1 : enough
    const bad = Array.from({ length: versions }, (_, n) => n + 1).filter(isBad)
    const lake: Lake = { folder, duckdb, clickhouse, store, bad: new Set(bad) }
    await makeTables(lake)
    const done = new AbortController()
    const startedMs = Date.now()
    const polling = pollAll(lake, done.signal)
    try {
      const killed = await runJobs({ folder, home: home.path, bad, jobs: jobsOf(versions) })
      await sleep(50)
      done.abort()
      const { problems, polls, seen } = await polling
      const seconds = (Date.now() - startedMs) / 1_000
      console.log(
        `${polls} polls, ${(polls / seconds).toFixed(0)} a second; ${killed} kills; ${seen.size} releases seen`,
      )

      expect(problems).toEqual([])
      expect(killed).toBe(2 * steps.length)
      expect((await store.releases.list({ limit: 1_000 })).length).toBeGreaterThanOrEqual(releases)
      expect(await seenInClickHouse(lake)).toEqual({ a: versions, b: versions })
      expect(await seenByRelease(lake)).toMatchObject({ a: versions, b: versions })
    } finally {
      done.abort()
      await polling.catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
    }
  }, 1_800_000)
})
