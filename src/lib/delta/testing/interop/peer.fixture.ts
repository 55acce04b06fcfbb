/**
 * Another engine, as a process that is asked by the line: SQL or a program in, rows or an error out.
 *
 * Both sides spell values alike: 64-bit integers and decimals are text, smaller integers and floats are numbers (or
 * `NaN`, `Infinity`), binary is hex, times are ISO text with six digits, a map is a list of `key` and `value`.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Row, Value } from '../../../duckdb/values.ts'
import type { DeltaTable } from '../../table.ts'

export type Spelled =
  | null
  | boolean
  | number
  | string
  | readonly Spelled[]
  | { readonly [name: string]: Spelled }
export type SpelledRow = Readonly<Record<string, Spelled>>

type Answer = { readonly rows: readonly SpelledRow[] } | { readonly error: string }

export class Peer implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #answers: AsyncIterator<string>

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  /** @param command JSON text: the program and its arguments. Resolves when the engine answers. */
  static async start(command: string | undefined): Promise<Peer> {
    if (command === undefined) throw new Error('Start these tests with `npm run test:services`')
    const [program = '', ...args] = JSON.parse(command) as readonly string[]
    const peer = new Peer(spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] }))
    await peer.#next()
    return peer
  }

  /** @throws Error with what the engine says. */
  async ask(question: string): Promise<readonly SpelledRow[]> {
    const answer = await this.#put(question)
    if ('error' in answer) throw new Error(`${question}\n${answer.error}`)
    return answer.rows
  }

  /** What the engine says against it; `no failure` where it does it. */
  async refusalOf(question: string): Promise<string> {
    const answer = await this.#put(question)
    return 'error' in answer ? answer.error : 'no failure'
  }

  /** Answers come in the order of the questions. */
  #put(question: string): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify({ ask: question })}\n`)
    return this.#next()
  }

  async #next(): Promise<Answer> {
    const { value, done } = await this.#answers.next()
    if (done === true) throw new Error(`The engine ended: ${String(this.#child.exitCode)}`)
    return JSON.parse(value) as Answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.stdin.end()
    if (this.#child.exitCode === null) await ended
  }
}

export function spelled(value: Value): Spelled {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) {
    const list = value as readonly Value[]
    const items = list.map(spelled)
    return list.length > 0 && list.every(isEntry) ? items.toSorted(byKey) : items
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, spelled(inner as Value)]))
}

function isEntry(value: Value): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).sort().join() === 'key,value'
}

function byKey(a: Spelled, b: Spelled): number {
  const [left, right] = [a, b].map((entry) => JSON.stringify(entry))
  return (left ?? '') < (right ?? '') ? -1 : 1
}

/** Rows as texts in order, columns by name: the same for the same rows. */
export function sorted(rows: readonly SpelledRow[]): readonly string[] {
  return rows.map((row) => JSON.stringify(byName(row))).sort()
}

function byName(value: Spelled): Spelled {
  if (Array.isArray(value)) return (value as readonly Spelled[]).map(byName)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, inner]) => [name, byName(inner as Spelled)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

export function spelledRows(rows: readonly Row[]): readonly string[] {
  return sorted(rows.map((row) => spelled(row) as SpelledRow))
}

/** Rows of a version, the newest without it, as `sorted` gives them. */
export async function ourRows(table: DeltaTable, version?: number): Promise<readonly string[]> {
  return table.duckdb.use(async (session) =>
    spelledRows(await session.rows(await table.scan(session, await table.snapshot({ version })))),
  )
}

/** What the versions from `from` on changed, without the times of the commits. */
export async function ourChanges(table: DeltaTable, from: number): Promise<readonly string[]> {
  return table.duckdb.use(async (session) => {
    const select = await table.changes(session, await table.snapshot(), { from })
    return spelledRows(await session.rows(`select * exclude (_commit_timestamp) from (${select})`))
  })
}
