/**
 * The publication of a batch as a small model: what is stored, the steps of a run, and what may come between them.
 *
 * Two schedulers run batches over one lake. A run may be killed, or sleep until it has lost its lease, before each step;
 * the request that it has sent then may still arrive, at any later time. A version of bronze may be one of which the
 * last gold table fails its check. docs/decisions/13-publication.md says in words what is modelled, and what is not.
 */

/** In the order of the protocol. Each reads what it needs and then makes one thing visible, or nothing. */
export const steps = [
  'take-lease',
  'pin-bronze',
  'commit-silver',
  'commit-gold-a',
  'commit-gold-b',
  'pin-gold',
  'switch-load',
  'publish-release',
  'release-lease',
] as const
export type Step = (typeof steps)[number]

type DataTable = 'silver' | 'gold-a' | 'gold-b'

/** What readers are shown: of which version of bronze each gold table was made. */
interface Shown {
  readonly a: number
  readonly b: number
}

interface Load extends Shown {
  readonly id: number
}

interface Run {
  /** Index of the next step. */
  readonly at: number
  /** `late`: killed or asleep, with the request of its next step sent. */
  readonly state: 'idle' | 'running' | 'late'
  readonly token: number
  readonly bronze: number
  readonly gold: Load
  /** The version of the table that is committed next, when the run has read it. */
  readonly base: number
  readonly failed: boolean
}

export interface State {
  /** Whether each version of bronze passes the check of the last gold table. */
  readonly bronze: readonly boolean[]
  /** Versions of each table: the version of bronze that each is made of. */
  readonly tables: Readonly<Record<DataTable, readonly number[]>>
  /** By id: what is shown is the greatest. */
  readonly loads: readonly Load[]
  readonly releases: readonly Shown[]
  readonly holder: number
  readonly token: number
  readonly clock: number
  readonly runs: readonly Run[]
  readonly faultsLeft: number
  readonly runsLeft: number
}

export interface Model {
  readonly steps: readonly Step[]
  /** A release is refused if the run's lease is no longer in force. */
  readonly isFenced: boolean
  /** A table is checked before it is committed. */
  readonly checksFirst: boolean
  /** A commit is refused if its table has a newer version than the one it was made on. */
  readonly detectsConflicts: boolean
  /** The id of a load grows with time, not only with the loads that are shown. */
  readonly loadsByTime: boolean
  readonly mostBronze: number
  readonly faults: number
  readonly runs: number
}

export const model: Model = {
  steps,
  isFenced: true,
  checksFirst: true,
  detectsConflicts: true,
  loadsByTime: true,
  mostBronze: 2,
  faults: 2,
  runs: 2,
}

export interface Move {
  /** `bronze`, or `run 1 commit-silver`, or `run 1 is late at commit-silver`. */
  readonly name: string
  readonly to: State
}

const nobody = -1
const nothing: Load = { id: 0, a: 0, b: 0 }
const idle: Run = { at: 0, state: 'idle', token: 0, bronze: 0, gold: nothing, base: 0, failed: false }

export function firstState({ faults, runs }: Model): State {
  return {
    bronze: [true, true],
    tables: { silver: [0], 'gold-a': [0], 'gold-b': [0] },
    loads: [],
    releases: [],
    holder: nobody,
    token: 0,
    clock: 0,
    runs: [idle, idle],
    faultsLeft: faults,
    runsLeft: runs,
  }
}

/** Everything that may happen next. */
export function movesFrom(of: Model, state: State): readonly Move[] {
  const moves: Move[] = []
  if (state.bronze.length <= of.mostBronze) {
    for (const passes of [true, false]) {
      moves.push({
        name: passes ? 'bronze grows' : 'bronze grows by what fails a check',
        to: { ...state, bronze: [...state.bronze, passes] },
      })
    }
  }
  for (const index of state.runs.keys()) moves.push(...movesOf(of, state, index))
  return moves
}

function movesOf(of: Model, state: State, index: number): readonly Move[] {
  const run = state.runs[index] ?? idle
  const step = of.steps[run.at]
  const named = (what: string): string => `run ${index} ${what}`
  switch (run.state) {
    case 'idle': {
      if (state.runsLeft === 0) return []
      const begun = { ...idle, state: 'running' } as const
      const to = stepped(of, withRun({ ...state, runsLeft: state.runsLeft - 1 }, index, begun), index)
      return to === undefined ? [] : [{ name: named(of.steps[0] ?? 'begins'), to }]
    }
    case 'running': {
      const to = stepped(of, state, index)
      const moves = to === undefined ? [] : [{ name: named(String(step)), to }]
      if (state.faultsLeft === 0) return moves
      const late = withRun({ ...state, faultsLeft: state.faultsLeft - 1 }, index, { ...run, state: 'late' })
      return [...moves, { name: named(`is late at ${step}`), to: late }]
    }
    case 'late': {
      const lost = withRun(freed(state, index), index, idle)
      const arrived = stepped(of, state, index)
      return [
        { name: named(`never makes ${step}`), to: lost },
        // It ends after what was sent: the next look at its lease, or its death, ends it.
        ...(arrived === undefined
          ? []
          : [{ name: named(`${step} arrives late`), to: withRun(freed(arrived, index), index, idle) }]),
      ]
    }
  }
}

function withRun(state: State, index: number, run: Run): State {
  return { ...state, runs: state.runs.map((other, at) => (at === index ? run : other)) }
}

const freed = (state: State, index: number): State =>
  state.holder === index ? { ...state, holder: nobody } : state

const isInForce = (state: State, index: number): boolean =>
  state.holder === index && state.token === state.runs[index]?.token

/** The state after the next step of a run; `undefined` while it must wait. */
function stepped(of: Model, state: State, index: number): State | undefined {
  const run = state.runs[index] ?? idle
  const step = of.steps[run.at]
  const next = (after: State, change: Partial<Run> = {}): State =>
    run.at + 1 === of.steps.length
      ? withRun(after, index, idle)
      : withRun(after, index, { ...run, ...change, at: run.at + 1 })
  switch (step) {
    case 'take-lease': {
      const holder = state.runs[state.holder]
      // Who is dead or asleep has lost it.
      if (holder?.state === 'running' && state.holder !== index) return undefined
      return next({ ...state, holder: index, token: state.token + 1 }, { token: state.token + 1 })
    }
    case 'pin-bronze':
      return next(state, { bronze: state.bronze.length - 1 })
    case 'commit-silver':
      return committed(of, state, index, { table: 'silver', content: run.bronze, next })
    case 'commit-gold-a':
    case 'commit-gold-b': {
      const table = step === 'commit-gold-a' ? 'gold-a' : 'gold-b'
      return committed(of, state, index, { table, content: state.tables.silver.at(-1) ?? 0, next })
    }
    case 'pin-gold': {
      const id = Math.max(of.loadsByTime ? state.clock : 0, newestLoad(state).id) + 1
      const [a, b] = [state.tables['gold-a'].at(-1) ?? 0, state.tables['gold-b'].at(-1) ?? 0]
      return run.failed ? next(state) : next({ ...state, clock: id }, { gold: { id, a, b } })
    }
    case 'switch-load':
      if (run.failed || isShown(newestLoad(state), run.gold)) return next(state)
      return next({ ...state, loads: [...state.loads, run.gold] })
    case 'publish-release': {
      if (run.failed) return next(state)
      if (of.isFenced && !isInForce(state, index)) return next(state)
      const newest = state.releases.at(-1)
      const { a, b } = run.gold
      return newest !== undefined && isShown(newest, run.gold)
        ? next(state)
        : next({ ...state, releases: [...state.releases, { a, b }] })
    }
    case 'release-lease':
      return next(freed(state, index))
    default:
      return undefined
  }
}

interface Commit {
  readonly table: DataTable
  readonly content: number
  readonly next: (state: State, change?: Partial<Run>) => State
}

/** Two moves: the table is read, and then the commit is put on what was read. */
function committed(of: Model, state: State, index: number, { table, content, next }: Commit): State {
  const run = state.runs[index] ?? idle
  const versions = state.tables[table]
  if (run.failed) return next(state)
  if (run.base === 0) return withRun(state, index, { ...run, base: versions.length })
  const isBad = table === 'gold-b' && state.bronze[content] === false
  if (isBad && of.checksFirst) return next(state, { failed: true, base: 0 })
  if (versions.at(-1) === content) return next(state, { base: 0 })
  if (of.detectsConflicts && run.base !== versions.length) return withRun(state, index, { ...run, base: 0 })
  return next({ ...state, tables: { ...state.tables, [table]: [...versions, content] } }, { base: 0 })
}

export function newestLoad({ loads }: State): Load {
  return loads.reduce((newest, load) => (load.id > newest.id ? load : newest), nothing)
}

const isShown = (a: Shown, b: Shown): boolean => a.a === b.a && a.b === b.b

/** What is wrong with a state, or with the way to it; nothing where all promises hold. */
export function broken(before: State, after: State): readonly string[] {
  const problems: string[] = []
  const views = [
    ['ClickHouse', newestLoad(before), newestLoad(after)],
    ['a release', before.releases.at(-1) ?? nothing, after.releases.at(-1) ?? nothing],
  ] as const
  for (const [name, was, is] of views) {
    if (is.a !== is.b) problems.push(`${name} shows part of a run`)
    if (after.bronze[is.b] === false || after.bronze[is.a] === false)
      problems.push(`${name} shows what failed a check`)
    if (is.a < was.a || is.b < was.b) problems.push(`${name} goes back`)
  }
  const [load, release] = [newestLoad(after), after.releases.at(-1) ?? nothing]
  if (release.a > load.a) problems.push('a release is not in ClickHouse')
  for (const [index, run] of before.runs.entries()) {
    const hasEnded = run.state === 'running' && after.runs[index]?.state === 'idle'
    if (hasEnded && !run.failed && release.a < run.bronze)
      problems.push('a run ends that has published nothing')
    if (hasEnded && after.holder === index) problems.push('a run ends and keeps its lease')
  }
  if (before.releases.some((one, index) => after.releases[index] !== one)) problems.push('a release is lost')
  return problems
}

/** What a run that nothing disturbs leaves wrong: the newest version of bronze is published, unless it fails. */
export function brokenAfterRecovery(of: Model, from: State): readonly string[] {
  let state: State = { ...from, runs: from.runs.map(() => idle), holder: nobody, runsLeft: 1 }
  const published = state.releases.at(-1) ?? nothing
  for (let moved = 0; moved < 3 * of.steps.length; moved++) {
    const to: State | undefined =
      moved === 0 ? movesOf(of, { ...state, faultsLeft: 0 }, 0)[0]?.to : stepped(of, state, 0)
    if (to === undefined) return ['the run does not begin']
    state = to
    if (state.runs[0]?.state === 'idle') break
  }
  const newest = state.bronze.length - 1
  const expected = state.bronze[newest] === true ? { a: newest, b: newest } : published
  const release = state.releases.at(-1) ?? nothing
  if (isShown(release, expected)) return []
  return [`after recovery ${JSON.stringify(release)} is published instead of ${JSON.stringify(expected)}`]
}

export interface Violation {
  readonly problem: string
  readonly trace: readonly string[]
}

export interface Checked {
  readonly states: number
  readonly moves: number
  /** The shortest way to a state that breaks a promise. */
  readonly violation?: Violation
}

/** Shorter than the state as JSON, and as telling. */
function keyOf(state: State): string {
  const { bronze, tables, loads, releases, holder, token, clock, runs, faultsLeft, runsLeft } = state
  return [
    bronze.map(Number).join(),
    tables.silver.join(),
    tables['gold-a'].join(),
    tables['gold-b'].join(),
    loads.map(({ id, a, b }) => `${id}.${a}.${b}`).join(),
    releases.map(({ a, b }) => `${a}.${b}`).join(),
    ...runs.map(
      ({ at, state: is, token: of, bronze: pinned, gold, base, failed }) =>
        `${at}.${is}.${of}.${pinned}.${gold.id}.${gold.a}.${gold.b}.${base}.${failed}`,
    ),
    [holder, token, clock, faultsLeft, runsLeft].join(),
  ].join('/')
}

/** Breadth first, over every state that can be reached. */
export function check(of: Model): Checked {
  const first = firstState(of)
  const seen = new Map<string, { readonly from: string; readonly name: string }>()
  const firstKey = keyOf(first)
  seen.set(firstKey, { from: '', name: '' })
  let moves = 0
  let level: { readonly key: string; readonly state: State }[] = [{ key: firstKey, state: first }]
  const traceTo = (key: string, last: readonly string[]): readonly string[] => {
    const trace = [...last]
    for (let at = key; at !== firstKey; at = seen.get(at)?.from ?? firstKey) {
      trace.unshift(seen.get(at)?.name ?? '')
    }
    return trace
  }
  while (level.length > 0) {
    const following: typeof level = []
    for (const { key, state } of level) {
      const [unrecovered] = brokenAfterRecovery(of, state)
      if (unrecovered !== undefined) {
        const violation = { problem: unrecovered, trace: traceTo(key, ['a run that nothing disturbs']) }
        return { states: seen.size, moves, violation }
      }
      for (const { name, to } of movesFrom(of, state)) {
        moves += 1
        const [problem] = broken(state, to)
        if (problem !== undefined) {
          return { states: seen.size, moves, violation: { problem, trace: traceTo(key, [name]) } }
        }
        const reached = keyOf(to)
        if (seen.has(reached)) continue
        seen.set(reached, { from: key, name })
        following.push({ key: reached, state: to })
      }
    }
    level = following
  }
  return { states: seen.size, moves }
}
