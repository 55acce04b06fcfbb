/** `lake rejected show`: rejected messages bit for bit. */
import type { Command } from 'commander'
import { LakeError } from '../../lib/base/errors.ts'
import { type Letter, readLetters, requireLetter, valueText } from '../../pipeline/rejected/letters.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { hexDump } from '../output/hex-dump.ts'
import { printable, printableBytes } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'
import { type FilterFlags, filterOf, lettersContext, withFilter } from './filter.ts'

interface ShowFlags extends FilterFlags {
  readonly limit?: number
  readonly raw?: boolean
}

const previewLength = 60

export function addShow(rejected: Command, cli: CommandLine): void {
  const show = rejected
    .command('show')
    .summary('messages with their bytes')
    .description(
      'One rejected message bit for bit, with its key, headers, reasons and times; or, without a place, the last ones, newest ' +
        'first. What is not plain text is shown as a hex dump. With --json bytes are base64, `raw` is null for a message ' +
        'without a value, and `text` is the value as text, null if it is not UTF-8.',
    )
    .argument('[partition]', 'partition of the log', wholeNumber())
    .argument('[offset]', 'offset in the partition', wholeNumber())
  withFilter(show)
    .option('--limit <number>', 'at most so many (default: 20)', wholeNumber({ min: 1 }))
    .option('--raw', 'write the value of the one message to stdout, exactly as it was sent')
    .addHelpText(
      'after',
      '\nExamples:\n  lake rejected show 0 4711\n  lake rejected show 0 4711 --raw > message.bin\n' +
        '  lake rejected show --reason json_invalid --since 2d --json',
    )
    .action((partition: number | undefined, offset: number | undefined, flags: ShowFlags) =>
      showLetters({ partition, offset }, flags, cli),
    )
}

interface GivenPlace {
  readonly partition: number | undefined
  readonly offset: number | undefined
}

async function showLetters(
  { partition, offset }: GivenPlace,
  flags: ShowFlags,
  cli: CommandLine,
): Promise<void> {
  const { limit = 20, raw = false } = flags
  if (partition === undefined || offset === undefined) {
    if (partition !== undefined || raw) {
      throw new LakeError('USAGE', `rejected show: expected PARTITION OFFSET${raw ? ' with --raw' : ''}`)
    }
    const letters = await readLetters(await lettersContext(cli), filterOf(flags, cli), {
      order: 'newest first',
      limit,
      signal: cli.signal,
    })
    return await cli.result(letters.map(document), () => tableOf(letters))
  }
  if (raw && cli.isJson) throw new LakeError('USAGE', 'rejected show: expected --raw or --json, got both')
  const place = { partition, offset: BigInt(offset) }
  const found = await readLetters(
    await lettersContext(cli),
    { ...filterOf(flags, cli), ...place },
    { order: 'newest first', limit, signal: cli.signal },
  )
  const letter = requireLetter(found, place)
  if (!raw) return await cli.result(found.map(document), () => found.map(whole).join('\n\n'))
  if (letter.value === null) cli.terminal.line('the message has no value')
  else await cli.output.write(letter.value)
}

/** In the names of the columns of `bronze/rejected`. */
function document(letter: Letter): object {
  return {
    raw: letter.value,
    text: valueText(letter.value),
    key: letter.key,
    headers: letter.headers,
    reasons: letter.reasons,
    kafka_topic: letter.topic,
    kafka_partition: letter.partition,
    kafka_offset: letter.offset,
    kafka_timestamp: new Date(letter.appendedMs).toISOString(),
    ingested_at: letter.ingestedAt,
  }
}

function tableOf(letters: readonly Letter[]): string {
  if (letters.length === 0) return 'nothing has been rejected'
  return drawTable(
    ['time', 'partition', 'offset', 'reasons', 'message'],
    letters.map(({ appendedMs, partition, offset, reasons, value }) => [
      new Date(appendedMs).toISOString(),
      partition,
      offset,
      reasons.join('; '),
      value === null ? '(no value)' : printableBytes(value, previewLength),
    ]),
  )
}

function whole(letter: Letter): string {
  const { topic, partition, offset, appendedMs, ingestedAt, reasons, value, key, headers } = letter
  return [
    `${topic}, partition ${partition}, offset ${offset}`,
    `reasons: ${reasons.join(', ')}`,
    `appended ${new Date(appendedMs).toISOString()}, landed ${ingestedAt}`,
    `key: ${bytesText(key, 'no key')}`,
    ...headers.map((header) => `header ${printable(header.key)}: ${bytesText(header.value, 'no value')}`),
    `value: ${bytesText(value, 'no value')}`,
  ].join('\n')
}

/** As text where every character stands for itself; a hex dump else, beside the text where there is one. */
function bytesText(bytes: Uint8Array | null, none: string): string {
  if (bytes === null) return `(${none})`
  const text = valueText(bytes)
  if (text === '') return '(empty)'
  const safe = text === null ? undefined : printable(text)
  const size = `${bytes.length} bytes`
  if (safe !== undefined && safe === text) return `${size}\n${text}`
  return [safe === undefined ? `${size}, not UTF-8` : `${size}\n${safe}`, hexDump(bytes)].join('\n')
}
