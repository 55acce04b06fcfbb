import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../base/clock.ts'
import type { Attempt, RunState, RunWithAttempts } from '../run.ts'
import { followedLines, type LogLines, type LogQuery, lastLines, logLines } from './log-lines.ts'

/** Logs in memory, in pieces of some bytes. */
class Logs {
  readonly #texts = new Map<string, string>()
  readonly #pieceBytes: number
  /** Bytes that readers have been given. */
  given = 0

  constructor(pieceBytes = 7) {
    this.#pieceBytes = pieceBytes
  }

  write(node: string, text: string, attempt = 1): void {
    const key = `${node} ${attempt}`
    this.#texts.set(key, (this.#texts.get(key) ?? '') + text)
  }

  async *bytes(
    { node, attempt }: { readonly node: string; readonly attempt: number },
    { fromByte = 0 }: { readonly fromByte?: number } = {},
  ): AsyncIterable<Uint8Array> {
    const all = Buffer.from(this.#texts.get(`${node} ${attempt}`) ?? '')
    for (let at = fromByte; at < all.length; at += this.#pieceBytes) {
      const piece = all.subarray(at, at + this.#pieceBytes)
      this.given += piece.length
      yield piece
    }
  }
}

const line = (second: number, level: string, message: string): string =>
  `${JSON.stringify({ level, time: new Date(second * 1_000).toISOString(), message })}\n`

const runOf = (nodes: readonly string[], state: RunState = 'succeeded', attempts = 1): RunWithAttempts => ({
  id: 1,
  dag: 'd',
  trigger: 'manual',
  state,
  parameters: {},
  startedMs: 1,
  owner: 'o',
  attempts: nodes.flatMap((node) =>
    Array.from(
      { length: attempts },
      (_, at): Attempt => ({ node, attempt: at + 1, state: 'running', startedMs: 1 }),
    ),
  ),
})

async function messages(lines: LogLines): Promise<readonly string[]> {
  const found: string[] = []
  for await (const some of lines) {
    for (const { node, attempt, json } of some) {
      found.push(`${node} ${attempt} ${json.startsWith('{') ? JSON.parse(json).message : json}`)
    }
  }
  return found
}

describe('logLines(logs, run, query)', () => {
  it('gives the lines of all attempts in the order of their times', async () => {
    const logs = new Logs()
    logs.write('a', line(1, 'info', 'eins ä😀') + line(4, 'info', 'vier'))
    logs.write('b', line(2, 'info', 'zwei') + line(3, 'warn', 'drei'))
    logs.write('a', line(5, 'info', 'fünf'), 2)

    expect(await messages(logLines(logs, runOf(['a', 'b'], 'succeeded', 2)))).toEqual([
      'a 1 eins ä😀',
      'b 1 zwei',
      'b 1 drei',
      'a 1 vier',
      'a 2 fünf',
    ])
  })

  it.each<[LogQuery, readonly string[]]>([
    [{ level: 'warn' }, ['a 1 Disk "full"', 'b 1 gone']],
    [{ level: 'error' }, ['b 1 gone']],
    [{ search: 'disk "FULL' }, ['a 1 Disk "full"']],
    [{ search: 'gone', level: 'info' }, ['b 1 gone']],
    [{ node: 'a' }, ['a 1 begins', 'a 1 Disk "full"']],
    [{ node: 'b', attempt: 2 }, []],
    [{ search: 'nowhere' }, []],
  ])('gives those that %o asks for', async (query, expected) => {
    const logs = new Logs()
    logs.write('a', line(1, 'debug', 'begins') + line(2, 'warn', 'Disk "full"'))
    logs.write('b', line(3, 'error', 'gone'))

    expect(await messages(logLines(logs, runOf(['a', 'b']), query))).toEqual(expected)
  })

  it('shows the last line of a killed process as far as it came', async () => {
    const logs = new Logs()
    logs.write('a', `${line(1, 'info', 'begins')}{"level":"info","ti`)

    const lines: string[] = []
    for await (const some of logLines(logs, runOf(['a'], 'abandoned')))
      lines.push(...some.map(({ json }) => json))

    expect(lines.at(-1)).toBe('{"level":"info","ti')
  })

  it('keeps the last lines alone', async () => {
    const logs = new Logs(64)
    for (let at = 0; at < 5_000; at++) logs.write('a', line(at, 'info', `line ${at}`))

    const last = await lastLines(logLines(logs, runOf(['a'])), 2)

    expect(last.map(({ json }) => JSON.parse(json).message)).toEqual(['line 4998', 'line 4999'])
  })
})

describe('followedLines(logs, show, query)', () => {
  it('gives each line once, as it comes, and ends when the run has ended', async () => {
    const logs = new Logs()
    const clock = new ManualClock()
    let run = runOf(['a'], 'running')
    const found: string[] = []
    const following = (async () => {
      for await (const some of followedLines(logs, async () => run, {}, { clock, everyMs: 250 })) {
        found.push(...some.map(({ node, json }) => `${node} ${JSON.parse(json).message}`))
      }
    })()
    const pass = async (): Promise<void> => {
      while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
      clock.advance(250)
    }

    logs.write('a', line(1, 'info', 'eins'))
    await pass()
    const [half, rest] = [line(2, 'info', 'zwei ä').slice(0, 30), line(2, 'info', 'zwei ä').slice(30)]
    logs.write('a', half)
    await pass()
    const whileHalf = [...found]
    logs.write('a', rest)
    run = runOf(['a', 'b'], 'running')
    logs.write('b', line(3, 'info', 'drei'))
    await pass()
    logs.write('b', line(4, 'info', 'the last word'))
    run = runOf(['a', 'b'], 'abandoned')
    while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
    clock.advance(250)
    await following

    expect(whileHalf).toEqual(['a eins'])
    expect(found).toEqual(['a eins', 'a zwei ä', 'b drei', 'b the last word'])
  })

  it('reads no byte of whole lines again', async () => {
    const logs = new Logs()
    const clock = new ManualClock()
    logs.write('a', line(1, 'info', 'eins'))
    let shows = 0
    const show = async (): Promise<RunWithAttempts> => runOf(['a'], ++shows < 5 ? 'running' : 'succeeded')
    const following = messages(followedLines(logs, show, {}, { clock, everyMs: 250 }))
    for (let at = 0; at < 4; at++) {
      while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
      clock.advance(250)
    }

    expect(await following).toEqual(['a 1 eins'])
    expect(logs.given).toBe(line(1, 'info', 'eins').length)
  })
})
