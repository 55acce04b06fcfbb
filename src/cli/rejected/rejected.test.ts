import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqliteEventLog } from '../../lib/eventlog/eventlog.sqlite.ts'
import type { Header } from '../../lib/eventlog/eventlog.ts'
import { type CliHome, openCliHome } from '../cli.fixture.ts'

interface Sent {
  readonly value: Uint8Array | null
  readonly key?: Uint8Array
  readonly headers?: readonly Header[]
}

/** By their offset in the one partition that the key goes to. */
const sent: readonly Sent[] = [
  { value: Buffer.from('{"torn":') },
  { value: Buffer.from([0x7b, 0xff, 0x00, 0x0a]), headers: [{ key: 'trace', value: Buffer.from([0xfe]) }] },
  { value: null },
  { value: Buffer.from('') },
  { value: Buffer.from('two\nlines') },
  { value: Buffer.from('{"event_id":"e"}') },
]

let home: CliHome
beforeAll(async () => {
  home = await openCliHome()
  await using log = await openSqliteEventLog({
    directory: join(home.path, 'eventlog'),
    topic: 'user-events',
  })
  for (const message of sent) await log.append([{ key: Buffer.from('same partition'), ...message }])
  partition = (await log.partitions()).find(({ end }) => end > 0n)?.partition ?? 0
  await home.lake('land', '--drain')
})
afterAll(async () => {
  await home[Symbol.asyncDispose]()
})

let partition = 0
const place = (offset: number): readonly string[] => [String(partition), String(offset)]
const json = async (...words: readonly string[]): Promise<unknown> =>
  JSON.parse((await home.lake('rejected', ...words, '--json')).stdout)

describe('lake rejected', () => {
  it('names its commands if none is given', async () => {
    const { exitCode, stdout, stderr } = await home.lake('rejected')

    expect(exitCode).toBe(2)
    expect(stdout + stderr).toMatch(/list[\s\S]*show[\s\S]*expected a command/)
  })
})

describe('lake rejected list', () => {
  it('counts the letters of each reason, the most frequent first, with times and a place', async () => {
    const summary = await json('list')

    expect(summary).toMatchObject({ letters: 6 })
    expect(Object(summary).reasons.slice(0, 1)).toEqual([
      {
        reason: 'json_invalid',
        letters: 2,
        first: expect.stringMatching(/^\d{4}-.*Z$/),
        last: expect.stringMatching(/^\d{4}-.*Z$/),
        sample: { partition, offset: 4 },
      },
    ])
    expect(Object(summary).reasons.map((each: { reason: string }) => each.reason)).toEqual(
      expect.arrayContaining(['utf8_invalid', 'value_missing', 'value_empty', 'user_id_missing']),
    )
  })

  it.each<[readonly string[], number]>([
    [['--reason', 'utf8_invalid'], 1],
    [['--where', "text like '%torn%' -- a comment"], 1],
    [['--where', 'raw is null or octet_length(raw) = 0'], 2],
    [['--since', '1h'], 6],
    [['--since', '2999-01-01'], 0],
    [['--reason', "no'such"], 0],
  ])('counts only what %j means', async (words, letters) => {
    expect(await json('list', ...words)).toMatchObject({ letters })
  })

  it.each([
    [['--where', 'no_such_column = 1'], 1, 'no_such_column'],
    [['--where', 'true) or (true'], 1, '--where'],
    [['--since', 'yesterday'], 2, '2d, 12h or 30m'],
  ])('refuses %j', async (words, code, said) => {
    const { exitCode, stderr } = await home.lake('rejected', 'list', ...words)

    expect(exitCode).toBe(code)
    expect(stderr).toContain(said)
  })
})

describe('lake rejected show', () => {
  it('shows text as text, with place, reasons, key and times', async () => {
    const { stdout } = await home.lake('rejected', 'show', ...place(0))

    expect(stdout).toContain(`user-events, partition ${partition}, offset 0`)
    expect(stdout).toContain('reasons: json_invalid')
    expect(stdout).toContain('key: 14 bytes\nsame partition')
    expect(stdout).toMatch(/appended 20\S+Z, landed 20\S+Z/)
    expect(stdout).toMatch(/value: 8 bytes\n\{"torn":\n$/)
  })

  it('shows what is no plain text as a hex dump, beside the text where there is one', async () => {
    const bytes = await home.lake('rejected', 'show', ...place(1))
    const lines = await home.lake('rejected', 'show', ...place(4))

    expect(bytes.stdout).toContain('value: 4 bytes, not UTF-8\n00000000: 7b ff 00 0a ')
    expect(bytes.stdout).toContain('header trace: 1 bytes, not UTF-8\n00000000: fe ')
    expect(lines.stdout).toContain('value: 9 bytes\ntwo\\nlines\n00000000: 74 77 6f 0a 6c')
  })

  it('tells no value from an empty one', async () => {
    expect((await home.lake('rejected', 'show', ...place(2))).stdout).toContain('value: (no value)')
    expect((await home.lake('rejected', 'show', ...place(3))).stdout).toContain('value: (empty)')
  })

  it.each([0, 1, 3, 4])('writes the bytes of message %i to stdout as they were sent', async (offset) => {
    const bytes = await home.stdoutBytes('rejected', 'show', ...place(offset), '--raw')

    expect(bytes).toEqual(sent[offset]?.value)
  })

  it('gives the bytes in JSON as base64, and the text if they are UTF-8', async () => {
    expect(await json('show', ...place(1))).toEqual([
      expect.objectContaining({
        raw: Buffer.from([0x7b, 0xff, 0x00, 0x0a]).toString('base64'),
        text: null,
        headers: [{ key: 'trace', value: Buffer.from([0xfe]).toString('base64') }],
        reasons: ['utf8_invalid'],
        kafka_partition: partition,
        kafka_offset: 1,
      }),
    ])
    expect(await json('show', ...place(2))).toMatchObject([{ raw: null, text: null }])
    expect(await json('show', ...place(4))).toMatchObject([{ text: 'two\nlines' }])
  })

  it('shows the newest of a filter, at most so many', async () => {
    const found = (await json('show', '--limit', '2')) as readonly { readonly kafka_offset: number }[]

    expect(found.map((each) => each.kafka_offset)).toEqual([5, 4])
    expect(await json('show', '--reason', 'utf8_invalid')).toHaveLength(1)
  })

  it.each<[readonly string[], number, string]>([
    [['0'], 2, 'PARTITION OFFSET'],
    [['--raw'], 2, 'PARTITION OFFSET'],
    [['0', '1', '--raw', '--json'], 2, '--raw or --json'],
    [['0', '999999'], 1, 'no message of partition 0, offset 999999'],
  ])('refuses %j', async (words, code, said) => {
    const { exitCode, stderr, stdout } = await home.lake('rejected', 'show', ...words)

    expect(exitCode).toBe(code)
    expect(stdout + stderr).toContain(said)
  })
})
