/** How a table records the run and the commit of its input that it was made from: in the commit that holds its rows. */
import type { CommitInfo, CommitRef, Snapshot } from '../../lib/delta/index.ts'

/**
 * The application under which a table keeps the version of `input` that it was made from. A table that was made
 * anew has versions of its own.
 */
export function madeFrom(input: string, { metadata }: Snapshot): string {
  return `batch/v2/${input}/${metadata.id}`
}

/** The tags of a commit that say which commit of the input it was made from. */
export function madeFromTags({ version: of, id }: CommitRef): Readonly<Record<string, string>> {
  return { inputVersion: String(of), inputCommit: id }
}

/** The commit of the input that a commit was made from; `undefined` if it does not say. */
export function madeFromOf({ tags }: CommitInfo): CommitRef | undefined {
  const { inputVersion, inputCommit } = tags ?? {}
  if (inputVersion === undefined || inputCommit === undefined) return undefined
  return { version: Number(inputVersion), id: inputCommit }
}

/** The tags of a commit that say which run made which days. */
export function runTags(
  run: number,
  task: string,
  days: readonly string[],
): Readonly<Record<string, string>> {
  return { task, run: String(run), days: days.join(' ') }
}

/** The run that a commit is of; `undefined` if it is of none. */
export function runOf({ tags }: CommitInfo): number | undefined {
  const run = Number(tags?.['run'])
  return Number.isSafeInteger(run) ? run : undefined
}

/** The UTC days that a commit has made; `undefined` if it does not say. */
export function daysOfRun({ tags }: CommitInfo): readonly string[] | undefined {
  return tags?.['days']?.split(' ')
}
