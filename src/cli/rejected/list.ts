/** `lake rejected list`: how many messages were rejected, by reason. */
import type { Command } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import { type LettersSummary, summarizeLetters } from '../../pipeline/rejected/letters.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { drawTable } from '../output/table-text.ts'
import { type FilterFlags, filterOf, lettersContext, withFilter } from './filter.ts'

interface ListFlags extends FilterFlags {
  readonly limit?: number
}

export function addList(rejected: Command, cli: CommandLine): void {
  const list = rejected
    .command('list')
    .summary('how many, by reason')
    .description(
      'The rejected messages by reason: how many, the first and the last time, and the place of the newest. A message ' +
        'with several reasons counts in each of them.',
    )
  withFilter(list)
    .option('--limit <number>', 'at most so many reasons, the most frequent first', wholeNumber({ min: 1 }))
    .addHelpText(
      'after',
      '\nExamples:\n  lake rejected list\n  lake rejected list --since 12h --json\n' +
        `  lake rejected list --where "text like '%checkout%'"`,
    )
    .action((flags: ListFlags) => listLetters(flags, cli))
}

async function listLetters(flags: ListFlags, cli: CommandLine): Promise<void> {
  const { letters, reasons } = await summarizeLetters(await lettersContext(cli), filterOf(flags, cli), {
    signal: cli.signal,
  })
  const summary = { letters, reasons: reasons.slice(0, flags.limit) }
  await cli.result(summary, () => describe(summary))
}

function describe({ letters, reasons }: LettersSummary): string {
  const [first] = reasons
  if (first === undefined) return 'nothing has been rejected'
  const { partition, offset } = first.sample
  return [
    drawTable(
      ['reason', 'messages', 'first', 'last', 'newest at'],
      reasons.map((each) => [
        each.reason,
        each.letters,
        each.first,
        each.last,
        `${each.sample.partition}/${each.sample.offset}`,
      ]),
    ),
    `${countOf(letters, 'message')} in all; \`lake rejected show ${partition} ${offset}\` shows one with its bytes`,
  ].join('\n')
}
