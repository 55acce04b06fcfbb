/** Which dead letters are meant: the options that the commands of `lake rejected` share. */
import type { Command } from 'commander'
import { locateTable } from '../../pipeline/query/locate.ts'
import type { LetterFilter, LettersContext } from '../../pipeline/rejected/letters.ts'
import { timeOrSpan } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'

export interface FilterFlags {
  readonly reason?: string
  readonly since?: (nowMs: number) => number
  readonly where?: string
}

export function withFilter(command: Command): Command {
  return command
    .option('--reason <reason>', 'only those with this reason, such as json_invalid')
    .option(
      '--since <time>',
      'only those appended from this time on, or from so long ago: 2d, 12h, 30m',
      timeOrSpan,
    )
    .option(
      '--where <expression>',
      'only those for which this SQL is true: over the columns of bronze/rejected, and `text`, the value as text',
    )
}

export function filterOf({ reason, since, where }: FilterFlags, { platform }: CommandLine): LetterFilter {
  return {
    ...(reason !== undefined && { reason }),
    ...(since && { sinceMs: since(platform.clock.now()) }),
    ...(where !== undefined && { where }),
  }
}

/** @throws LakeError `TABLE_MISSING` if nothing was landed yet. */
export async function lettersContext({ platform, signal }: CommandLine): Promise<LettersContext> {
  return {
    rejected: await locateTable(platform, 'bronze/rejected', { signal }),
    duckdb: await platform.duckdb(),
  }
}
