/** `lake rejected`: the messages that could not be parsed, with their bytes. */
import type { Command } from 'commander'
import { locateTable } from '../../pipeline/query/locate.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { printableBytes } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'

const previewLength = 60

export function addRejected(program: Command, cli: CommandLine): void {
  const rejected = program
    .command('rejected')
    .summary('messages that could not be parsed')
    .description(
      'The dead letters: messages of the log that are no event, kept with their bytes and reasons.',
    )
    .addHelpText('after', '\nExamples:\n  lake rejected list --limit 5')

  rejected
    .command('list')
    .summary('the last ones, newest first')
    .description(
      'The last rejected messages, newest first. With --json `raw` is base64, and null for a message without ' +
        'a value; `preview` is what can be printed of it.',
    )
    .option('--limit <number>', 'at most so many (default: 20)', wholeNumber({ min: 1 }))
    .addHelpText('after', '\nExamples:\n  lake rejected list --limit 5\n  lake rejected list --json')
    .action((flags: { readonly limit?: number }) => listRejected(flags, cli))
}

async function listRejected({ limit = 20 }: { readonly limit?: number }, cli: CommandLine): Promise<void> {
  const { platform, signal } = cli
  const table = await locateTable(platform, 'bronze/rejected', { signal })
  const found = await (await platform.duckdb()).use(async (session) => {
    const scan = await table.scan(session, await table.snapshot({ signal }), { signal })
    return await session.rows(
      `select * from (${scan}) order by kafka_timestamp desc, kafka_offset desc, kafka_partition limit ${limit}`,
      { signal },
    )
  })
  const rows = found.map((row) => ({ ...row, preview: previewOf(row['raw'] ?? null) }))
  await cli.result(rows, () =>
    rows.length === 0
      ? 'nothing has been rejected'
      : drawTable(
          ['time', 'partition', 'offset', 'reasons', 'message'],
          found.map((row) => [
            row['kafka_timestamp'],
            row['kafka_partition'],
            row['kafka_offset'],
            Array.isArray(row['reasons']) ? row['reasons'].join('; ') : row['reasons'],
            previewOf(row['raw'] ?? null) ?? '(no value)',
          ]),
        ),
  )
}

function previewOf(raw: unknown): string | null {
  return raw instanceof Uint8Array ? printableBytes(raw, previewLength) : null
}
