/** The publication of a batch under the traces of its model: the code shows readers, after each move, what the model says. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRunStore } from '../../../lib/runs/run-store.ts'
import { type Engines, openEngines } from '../../serving/engines.fixture.ts'
import { ensureServingSchema } from '../../serving/schema.ts'
import { emptyServing } from '../../serving/serving.fixture.ts'
import {
  firstState,
  type Model,
  type Move,
  model,
  movesFrom,
  newestLoad,
  type State,
  type Step,
} from './model.fixture.ts'
import {
  DrivenRun,
  growBronze,
  type Lake,
  makeTables,
  seenByRelease,
  seenInClickHouse,
} from './run.fixture.ts'

/** Names of moves. */
export type Trace = readonly string[]

const wide: Model = { ...model, mostBronze: 9, faults: 9, runs: 9 }

/** The states of the model along a trace, the first one included. @throws Error for a move that it has not. */
export function statesOf(trace: Trace): readonly State[] {
  const states = [firstState(wide)]
  for (const name of trace) {
    const last = states.at(-1) ?? firstState(wide)
    const move = movesFrom(wide, last).find((one) => one.name === name)
    if (move === undefined) throw new Error(`The model has no move ${name} here`)
    states.push(move.to)
  }
  return states
}

/** All moves of a run to its end, or up to a step. */
export function movesOfRun(index: number, upTo?: Step): Trace {
  const moves = model.steps.flatMap((step) => (step.startsWith('commit') ? [step, step] : [step]))
  const end = upTo === undefined ? moves.length : moves.indexOf(upTo) + (upTo.startsWith('commit') ? 1 : 0)
  return moves.slice(0, end).map((step) => `run ${index} ${step}`)
}

/** A way through the model that a seed decides. */
export function randomTrace(seed: number, length: number): Trace {
  const random = xoroshiro128plus(seed)
  const trace: string[] = []
  for (let state = firstState(wide); trace.length < length; ) {
    const moves = movesFrom(wide, state)
    // New data and accidents are rarer than steps.
    const isRare = ({ name }: Move): boolean => name.startsWith('bronze') || name.includes('is late')
    const wantsRare = uniformInt(random, 0, 9) < 2
    const wanted = moves.filter((one) => isRare(one) === wantsRare)
    const from = wanted.length > 0 ? wanted : moves
    const move = from[uniformInt(random, 0, from.length - 1)]
    if (move === undefined) break
    trace.push(move.name)
    state = move.to
  }
  return trace
}

const parts =
  /^run (?<index>\d) (?:is late at (?<sent>\S+)|never makes \S+|(?<step>\S+)(?<late> arrives late)?)$/

async function drive(lake: Lake & { readonly bad: Set<number> }, trace: Trace): Promise<void> {
  const states = statesOf(trace)
  const runs = new Map<number, DrivenRun>()
  for (const [at, name] of trace.entries()) {
    const [before, after] = [states[at], states[at + 1]]
    if (before === undefined || after === undefined) throw new Error('A state is missing')
    if (name.startsWith('bronze')) {
      const grown = after.bronze.length - 1
      if (after.bronze[grown] === false) lake.bad.add(grown)
      await growBronze(lake, grown)
    } else await move(lake, runs, name, before, after)
    for (const { problem } of runs.values()) {
      if (problem !== undefined) throw new Error('A run failed that nothing disturbed', { cause: problem })
    }
    const { a, b } = after.releases.at(-1) ?? { a: 0, b: 0 }
    const load = newestLoad(after)
    const where = [...trace.slice(0, at), `→ ${name}`].join(', ')
    expect(await seenInClickHouse(lake), where).toEqual({ a: load.a, b: load.b })
    expect(await seenByRelease(lake), where).toMatchObject({ a, b })
  }
  for (const run of runs.values()) await run.kill()
}

async function move(
  lake: Lake,
  runs: Map<number, DrivenRun>,
  name: string,
  before: State,
  after: State,
): Promise<void> {
  const { index: digit, sent, step, late } = parts.exec(name)?.groups ?? {}
  const index = Number(digit)
  if (sent !== undefined) return runs.get(index)?.beLate()
  if (step === 'take-lease') {
    if (before.holder >= 0) await runs.get(before.holder)?.loseLease()
    runs.set(index, new DrivenRun(lake))
  }
  const run = runs.get(index)
  // Of the two moves of a commit only the second puts it.
  const isMade = before.runs[index]?.at !== after.runs[index]?.at
  const arrives =
    late === undefined ||
    JSON.stringify(before.tables) !== JSON.stringify(after.tables) ||
    !step?.startsWith('commit')
  if (step === undefined || !arrives) await run?.kill()
  else if (late !== undefined) await run?.arriveLate(step as Step)
  else if (isMade) await run?.make(step as Step)
}

/** @param traces by what they show. */
export function describePublication(traces: Readonly<Record<string, Trace>>): void {
  let engines: Engines
  beforeAll(async () => {
    engines = await openEngines()
    await ensureServingSchema(engines.clickhouse, {})
  })
  afterAll(() => engines[Symbol.asyncDispose]())

  describe('a batch shows readers, after each move, what the model says', () => {
    it.each(Object.entries(traces))('%s', async (_, trace) => {
      const { duckdb, clickhouse } = engines
      const folder = await mkdtemp(join(tmpdir(), 'lakeshore-publication-'))
      await emptyServing(clickhouse)
      const store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}` })
      try {
        const lake = { folder, duckdb, clickhouse, store, bad: new Set<number>() }
        await makeTables(lake)
        await growBronze(lake, 1)
        await drive(lake, trace)
      } finally {
        await store[Symbol.asyncDispose]()
        await rm(folder, { recursive: true, force: true })
      }
    })
  })
}
