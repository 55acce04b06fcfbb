/**
 * One history of the orchestrator: schedulers and people start runs of a DAG over the real code of schedule, ticks, leases, run
 * book and execution, in a simulated world, with accidents that a seed decides. What breaks a promise is returned as text.
 */
import { isLakeError, LakeError } from '../../lib/base/errors.ts'
import { execute } from '../../lib/dag/execute.ts'
import { createGraph, type Graph } from '../../lib/dag/graph.ts'
import type { DagNode } from '../../lib/dag/node.ts'
import { plan } from '../../lib/dag/plan.ts'
import { withRun } from '../../lib/runs/control/with-run.ts'
import type { RunDatabase } from '../../lib/runs/database.ts'
import { createLeases, defaultLeaseTtlMs, type Leases } from '../../lib/runs/leases.ts'
import type { ScheduledTick, Trigger } from '../../lib/runs/run.ts'
import { createRunBook, type RunBook } from '../../lib/runs/run-book.ts'
import { createTicks, type Ticks } from '../../lib/runs/ticks.ts'
import { parseCron } from '../../lib/schedule/cron.ts'
import { runSchedule, type TickStore } from '../../lib/schedule/schedule.ts'
import { noFaults, SimulatedProcess, type World } from './world.fixture.ts'

const dag = 'batch'
const periodMs = 120_000
const cron = parseCron('*/2 * * * *', 'simulation')
const ttlMs = defaultLeaseTtlMs
/** A little more often than leases are renewed; each look costs the simulation time. */
const pollMs = 5_000
const takenUpMs = 30_000

export const startMs = Date.parse('2026-01-30T22:03:00Z')
const troubledMs = 6 * periodMs
/** Long enough for all that went on to end, and for a tick of its own. */
const quietMs = 4 * periodMs

/** Which accidents a history may have. */
export interface Accidents {
  readonly dies: boolean
  readonly sleeps: boolean
  readonly clockJumps: boolean
  readonly storeFails: boolean
}

/** What the history is run over: the product, unless a test breaks a part of it. */
export interface Parts {
  readonly leases: (database: RunDatabase, process: SimulatedProcess) => Leases
  readonly ticks: (database: RunDatabase, leases: Leases) => Ticks & TickStore
  readonly runs: (database: RunDatabase, process: SimulatedProcess) => RunBook
  readonly execute: typeof execute
}

export const parts: Parts = {
  leases: (database, { clock }) => createLeases(database, { ttlMs, pollMs, clock }),
  ticks: createTicks,
  runs: (database, { clock }) => createRunBook(database, clock),
  execute,
}

/** A node that is at work, under one lease. */
interface AtWork {
  readonly process: SimulatedProcess
  readonly fencingToken: number
  readonly node: string
}

interface Made {
  readonly tickMs: number
  readonly process: SimulatedProcess
  readonly startedMs: number
  readonly endedMs: number
}

export class History {
  readonly world: World
  readonly accidents: Accidents
  readonly broken: string[] = []
  readonly #database: RunDatabase
  readonly #parts: Parts
  readonly #atWork = new Set<AtWork>()
  readonly #made: Made[] = []
  /** Run → how it ended, as its process was told. */
  readonly #ended = new Map<number, string>()
  readonly #stop = new AbortController()
  readonly #processes: SimulatedProcess[] = []
  /** Tick → when the last scheduler that may have been at it died. */
  readonly #orphaned = new Map<number, number>()
  /** Nothing goes wrong any more. */
  #isCalm = false

  constructor(world: World, database: RunDatabase, using: Parts = parts) {
    this.world = world
    this.#database = database
    this.#parts = using
    this.accidents = {
      dies: world.chance(50),
      sleeps: world.chance(30),
      clockJumps: world.chance(40),
      storeFails: world.chance(50),
    }
  }

  /** @returns what promises were broken, and how. */
  async run(): Promise<readonly string[]> {
    const { world } = this
    for (let n = world.between(1, 3); n > 0; n--) this.#startScheduler()
    for (let n = world.between(0, 3); n > 0; n--) {
      world.at(startMs + world.between(0, troubledMs), () => this.#startPerson())
    }
    for (let n = world.between(0, 8); n > 0; n--) {
      world.at(startMs + world.between(0, troubledMs), () => this.#accident())
    }
    await world.runUntil(startMs + troubledMs)
    this.#calm()
    await world.runUntil(startMs + troubledMs + quietMs)
    await this.#look()
    this.#stop.abort(new LakeError('INTERRUPTED', 'the history is over'))
    await world.runUntil(world.now() + 60_000)
    return this.broken
  }

  #process(kind: string): SimulatedProcess {
    const { world, accidents } = this
    const process = new SimulatedProcess(`${kind} ${this.#processes.length}`, world)
    this.#processes.push(process)
    process.onDeath = () => {
      for (const one of this.#atWork) if (one.process === process) this.#atWork.delete(one)
    }
    if (accidents.storeFails && !this.#isCalm) {
      process.faults = {
        refused: world.between(0, 15),
        lost: world.between(0, 15),
        slow: world.between(0, 5),
      }
    }
    if (accidents.dies && !this.#isCalm && world.chance(40)) {
      process.diesAtCall = { left: world.between(1, 60), isDone: world.chance(50) }
    }
    return process
  }

  #startScheduler(): void {
    const process = this.#process('scheduler')
    const own = this.#open(process)
    const { world } = this
    const begun = new Map<number, number>()
    const onDeath = process.onDeath
    process.onDeath = () => {
      onDeath()
      // A scheduler may die just after it got the lease of a tick that another one left: the time counts from here.
      for (const tickMs of [...begun.keys(), ...this.#orphaned.keys()]) {
        this.#orphaned.set(tickMs, world.now())
      }
      // Somebody starts it again, sooner or later.
      world.at(world.now() + world.between(1_000, periodMs), () => this.#startScheduler())
    }
    runSchedule({
      name: dag,
      cron,
      ticks: own.ticks,
      clock: process.clock,
      signal: this.#stop.signal,
      run: async (tick, { signal }) => {
        const startedMs = world.now()
        begun.set(tick.tickMs, startedMs)
        this.#takenUp(tick.tickMs)
        // Whoever loses the lease of a tick cannot say that it was made.
        signal.addEventListener('abort', () => process.disturbedMs.push(world.now()))
        try {
          await this.#batch(process, own, tick.kind, { schedule: dag, tickMs: tick.tickMs }, signal)
          this.#made.push({ tickMs: tick.tickMs, process, startedMs, endedMs: world.now() })
        } catch (error) {
          if (isLakeError(error, 'TASK_FAILED')) {
            this.#made.push({ tickMs: tick.tickMs, process, startedMs, endedMs: world.now() })
          }
          throw error
        } finally {
          begun.delete(tick.tickMs)
        }
      },
      onEvent: (event) => {
        if (event.kind === 'store-failed') process.disturbedMs.push(world.now())
      },
    }).catch((error: unknown) => {
      if (error === this.#stop.signal.reason) return
      // A store that does not answer at the start ends the process; it is started again.
      if (!isLakeError(error, 'RUNSTORE_UNAVAILABLE')) this.broken.push(`${process.name}: ${String(error)}`)
      process.die()
    })
  }

  #startPerson(): void {
    const process = this.#process('person')
    this.#batch(process, this.#open(process), 'manual').catch((error: unknown) => {
      const isKnown = isLakeError(error, 'TASK_FAILED', 'INTERRUPTED', 'LEASE_LOST', 'RUNSTORE_UNAVAILABLE')
      if (!isKnown) this.broken.push(`${process.name}: ${String(error)}`)
    })
  }

  #open(process: SimulatedProcess) {
    const database = process.connect(this.#database)
    const leases = this.#parts.leases(database, process)
    return { leases, ticks: this.#parts.ticks(database, leases), runs: this.#parts.runs(database, process) }
  }

  async #batch(
    process: SimulatedProcess,
    { leases, runs }: { readonly leases: Leases; readonly runs: RunBook },
    trigger: Trigger,
    tick?: ScheduledTick,
    taken?: AbortSignal,
  ): Promise<void> {
    const { signal: stopped } = this.#stop
    const ending = taken === undefined ? stopped : AbortSignal.any([stopped, taken])
    const { kind } = await withRun(
      { runs, leases },
      { dag, trigger, ...(tick && { tick }) },
      async ({ lease, signal, recorder }) => {
        const graph = this.#graph(process, lease.fencingToken)
        const end = await this.#parts.execute(graph, plan(graph), {
          recorder: recorder(),
          clock: process.clock,
          signal,
          concurrency: 2,
        })
        this.#ended.set(end.runId, end.kind)
        return end
      },
      { signal: ending, clock: process.clock },
    )
    if (kind === 'cancelled') throw new LakeError('INTERRUPTED', 'cut short')
    if (kind === 'failed') throw new LakeError('TASK_FAILED', 'a node failed')
  }

  #graph(process: SimulatedProcess, fencingToken: number): Graph<DagNode> {
    const node = (name: string, ...dependsOn: string[]): DagNode => ({
      name,
      dependsOn,
      run: async ({ signal }) => {
        const { world } = this
        const atWork = { process, fencingToken, node: name }
        this.#atWork.add(atWork)
        try {
          const isSlow = world.chance(10)
          for (let steps = world.between(1, isSlow ? 20 : 4); steps > 0; steps--) {
            this.#requireAlone(atWork)
            await process.clock.sleep(world.between(100, 7_000), { signal })
          }
          this.#requireAlone(atWork)
          if (world.chance(5)) throw new LakeError('CHECK_FAILED', 'bad rows')
          return { kind: 'succeeded' }
        } finally {
          this.#atWork.delete(atWork)
        }
      },
    })
    return createGraph<DagNode>(dag, [
      node('silver'),
      node('gold a', 'silver'),
      node('gold b', 'silver'),
      node('load', 'gold a', 'gold b'),
    ])
  }

  /** Nobody else is at work under another lease. One that has just woken up learns at this very moment that it has lost it. */
  #requireAlone(me: AtWork): void {
    for (const other of this.#atWork) {
      if (other.fencingToken === me.fencingToken) continue
      const older = other.fencingToken < me.fencingToken ? other : me
      if (older.process.isPaused || older.process.pausedUntilMs === this.world.now()) continue
      this.broken.push(
        `two at once: ${me.node} of ${me.process.name} (token ${me.fencingToken}) and ${other.node} of ${other.process.name} (token ${other.fencingToken})`,
      )
    }
  }

  /** A tick whose process died is taken up soon, if somebody is there whom nothing disturbs. */
  #takenUp(tickMs: number): void {
    const diedMs = this.#orphaned.get(tickMs)
    this.#orphaned.delete(tickMs)
    const { sleeps, clockJumps, storeFails } = this.accidents
    if (diedMs === undefined || sleeps || clockJumps || storeFails) return
    const wasThere = this.#processes.some(
      ({ name, isDead, startedMs }) => name.startsWith('scheduler') && !isDead && startedMs < diedMs,
    )
    const afterMs = this.world.now() - diedMs
    if (wasThere && afterMs > takenUpMs) this.broken.push(`taken up ${afterMs} ms after a death`)
  }

  #accident(): void {
    const { world, accidents } = this
    const alive = this.#processes.filter(({ isDead }) => !isDead)
    const victim = alive[world.between(0, Math.max(0, alive.length - 1))]
    if (victim === undefined) return
    if (accidents.dies && world.chance(50)) victim.die()
    else if (accidents.sleeps && world.chance(60)) victim.pause(world.between(1_000, 120_000))
    else if (accidents.storeFails && world.chance(50)) this.#cutOff(victim)
    else if (accidents.clockJumps) victim.skewMs += world.between(-2 * 3_600_000, 2 * 3_600_000)
  }

  /** The store does not answer this process for a while. */
  #cutOff(process: SimulatedProcess): void {
    const { world } = this
    const before = process.faults
    process.faults = { refused: 100, lost: 0, slow: 0 }
    process.disturbedMs.push(world.now())
    world.at(world.now() + world.between(1_000, 120_000), () => {
      process.faults = this.#isCalm ? noFaults : before
      process.disturbedMs.push(world.now())
    })
  }

  #calm(): void {
    for (const process of this.#processes) {
      process.faults = noFaults
      process.diesAtCall = undefined
      process.skewMs = 0
    }
    this.#isCalm = true
    this.#startScheduler()
  }

  async #look(): Promise<void> {
    const { world, broken } = this
    const runs = createRunBook(this.#database, world)
    for (const run of await runs.list({ limit: 10_000 })) {
      const { id, state, attempts } = await runs.show(run.id)
      const isOpen = state === 'running' || state === 'queued'
      // The newest tick may be on its way.
      const isNew = run.startedMs !== undefined && run.startedMs > world.now() - periodMs
      if (isOpen && !isNew) broken.push(`run ${id} is lost: ${state}`)
      const ended = this.#ended.get(id) ?? state
      if (ended !== state) broken.push(`run ${id} has ${ended}, and is recorded as ${state}`)
      if (!isOpen) {
        for (const attempt of attempts) {
          if (['waiting', 'running'].includes(attempt.state))
            broken.push(`run ${id}, ${attempt.node}: ${attempt.state}`)
        }
      }
    }
    const latest = (await createTicks(this.#database, createLeases(this.#database)).latest(dag)) ?? 0
    if (latest < world.now() - 2 * periodMs)
      broken.push(`the newest tick made is of ${new Date(latest).toISOString()}`)
    this.#requireOnce()
    const ticks = await this.#database.db.selectFrom('ticks').selectAll().execute()
    for (const { kind, tick_ms, settled_ms } of ticks) {
      if (kind === 'baseline' || settled_ms === null) continue
      if (this.#made.some(({ tickMs }) => tickMs === Number(tick_ms))) continue
      broken.push(
        `tick ${new Date(Number(tick_ms)).toISOString()} counts as made, and no run of it came to its end`,
      )
    }
  }

  /** Made twice only if its process was disturbed before it could say that it was made. */
  #requireOnce(): void {
    const made = [...this.#made].sort((a, b) => a.startedMs - b.startedMs)
    for (const [at, first] of made.entries()) {
      for (const second of made.slice(at + 1)) {
        if (first.tickMs !== second.tickMs) continue
        const isExcused = first.process.disturbedMs.some(
          (ms) => ms >= first.startedMs && ms <= second.startedMs,
        )
        if (!isExcused) {
          this.broken.push(
            `tick ${new Date(first.tickMs).toISOString()} was made twice: by ${first.process.name} and ${second.process.name}`,
          )
        }
      }
    }
  }
}
