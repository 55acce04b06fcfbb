/**
 * The lines of the logs of a run, of all its attempts in the order of their times, by level and text.
 *
 * A log is read once from its beginning to its end, and a piece of it is held: a million lines cost no more memory
 * than a hundred. A piece in which no line can match is not even cut into lines.
 */
import { StringDecoder } from 'node:string_decoder'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { IoOptions } from '../../base/io.ts'
import type { AttemptPlace } from '../../dag/attempt-log.ts'
import { endedRunStates, type RunWithAttempts } from '../run.ts'
import type { LogBook } from './log-book.ts'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

export interface LogQuery {
  /** Of one node, or one attempt at each. */
  readonly node?: string
  readonly attempt?: number
  /** This level, and those above it. */
  readonly level?: LogLevel
  /** A text in the line, upper and lower case alike. */
  readonly search?: string
}

export interface LogLine {
  readonly node: string
  readonly attempt: number
  /** The record as JSON: `level`, `time`, `message`, and what else was told. After a crash it may be a part of one. */
  readonly json: string
}

/** In arrays, so that a line costs no turn of the event loop. An array may be empty. */
export type LogLines = AsyncIterable<readonly LogLine[]>

/** What is there now. */
export async function* logLines(
  logs: Pick<LogBook, 'bytes'>,
  run: RunWithAttempts,
  query: LogQuery = {},
  { signal }: IoOptions = {},
): LogLines {
  const matches = matcher(query)
  const sources = placesOf(run, query).map((place) =>
    linesOf(place, logs.bytes(place, { signal }), matches, { isEnd: true }),
  )
  yield* merged(sources)
}

/** What is there now, and what comes until the run has ended. `show` reads the run again. */
export async function* followedLines(
  logs: Pick<LogBook, 'bytes'>,
  show: () => Promise<RunWithAttempts>,
  query: LogQuery = {},
  { signal, clock = systemClock, everyMs = 250 }: IoOptions & { clock?: Clock; everyMs?: number } = {},
): LogLines {
  const matches = matcher(query)
  const read = new Map<string, number>()
  for (;;) {
    const run = await show()
    // Asked before the lines are read: a run that has ended says no more.
    const isEnd = endedRunStates.includes(run.state)
    const sources = placesOf(run, query).map((place) => {
      const key = `${place.node} ${place.attempt}`
      const fromByte = read.get(key) ?? 0
      const onRead = (bytes: number): void => {
        read.set(key, fromByte + bytes)
      }
      return linesOf(place, logs.bytes(place, { fromByte, signal }), matches, { isEnd, onRead })
    })
    yield* merged(sources)
    if (isEnd) return
    await clock.sleep(everyMs, { signal })
  }
}

/** The last lines of all. */
export async function lastLines(lines: LogLines, count: number): Promise<readonly LogLine[]> {
  let kept: LogLine[] = []
  for await (const some of lines) {
    for (const line of some) kept.push(line)
    if (kept.length > 2 * count + 1_000) kept = kept.slice(-count)
  }
  return kept.slice(-count)
}

function placesOf({ id, attempts }: RunWithAttempts, query: LogQuery): readonly AttemptPlace[] {
  return attempts
    .filter(({ startedMs }) => startedMs !== undefined)
    .filter(({ node }) => query.node === undefined || node === query.node)
    .filter(({ attempt }) => query.attempt === undefined || attempt === query.attempt)
    .map(({ node, attempt }) => ({ runId: id, node, attempt }))
}

interface Matcher {
  line(json: string): boolean
  /** Whether a line of this text may match. */
  text(lines: string): boolean
}

function matcher({ level, search }: LogQuery): Matcher {
  const heads =
    level === undefined || level === 'debug'
      ? undefined
      : logLevels.slice(logLevels.indexOf(level)).map((each) => `{"level":"${each}"`)
  const words = search === undefined ? undefined : JSON.stringify(search).slice(1, -1).toLowerCase()
  const holds = (text: string): boolean => words === undefined || text.toLowerCase().includes(words)
  return {
    line: (json) => (heads === undefined || heads.some((head) => json.startsWith(head))) && holds(json),
    text: (lines) => (heads === undefined || heads.some((head) => lines.includes(head))) && holds(lines),
  }
}

interface Reading {
  /** Whether nothing more will come: a last line without its end is then shown as it is. */
  readonly isEnd: boolean
  /** Told how many bytes are done with: those of whole lines. */
  readonly onRead?: (bytes: number) => void
}

async function* linesOf(
  { node, attempt }: AttemptPlace,
  bytes: AsyncIterable<Uint8Array>,
  matches: Matcher,
  { isEnd, onRead }: Reading,
): LogLines {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let done = 0
  for await (const piece of bytes) {
    const lastEnd = piece.lastIndexOf(10)
    rest += decoder.write(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))
    const end = rest.lastIndexOf('\n')
    if (end < 0 || lastEnd < 0) continue
    const text = rest.slice(0, end)
    rest = rest.slice(end + 1)
    done += Buffer.byteLength(text) + 1
    onRead?.(done)
    if (!matches.text(text)) continue
    yield text
      .split('\n')
      .filter((json) => matches.line(json))
      .map((json) => ({ node, attempt, json }))
  }
  if (isEnd && rest !== '' && matches.line(rest)) yield [{ node, attempt, json: rest }]
}

interface Head {
  readonly rest: AsyncIterator<readonly LogLine[]>
  lines: readonly LogLine[]
  at: number
}

/** Sources that are each in the order of time, as one that is. */
async function* merged(sources: readonly LogLines[]): LogLines {
  const [only, ...others] = sources
  if (only !== undefined && others.length === 0) return yield* only
  const heads: Head[] = []
  for (const source of sources) {
    const head = { rest: source[Symbol.asyncIterator](), lines: [], at: 0 }
    if (await refill(head)) heads.push(head)
  }
  while (heads.length > 0) {
    const ready: LogLine[] = []
    let empty: Head | undefined
    while (empty === undefined) {
      const first = earliest(heads)
      const line = first.lines[first.at++]
      if (line !== undefined) ready.push(line)
      if (first.at >= first.lines.length) empty = first
    }
    yield ready
    if (!(await refill(empty))) heads.splice(heads.indexOf(empty), 1)
  }
}

function earliest(heads: readonly Head[]): Head {
  return heads.reduce((first, head) => (timeAt(head) < timeAt(first) ? head : first))
}

/** ISO times of one length are in the order of their texts. */
function timeAt({ lines, at }: Head): string {
  const json = lines[at]?.json ?? ''
  const from = json.indexOf('"time":"')
  return from < 0 ? '' : json.slice(from + 8, from + 32)
}

async function refill(head: Head): Promise<boolean> {
  for (;;) {
    const next = await head.rest.next()
    if (next.done === true) return false
    if (next.value.length === 0) continue
    head.lines = next.value
    head.at = 0
    return true
  }
}
