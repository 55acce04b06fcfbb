import type { RunBook } from '../../lib/runs/run-book.ts'
import type { CommandLine } from '../command-line.ts'

/**
 * So that no run is shown as running whose process is dead. Best effort: a store that can only be read is shown as it
 * is, and one that does not answer says so at the next question.
 */
export async function closeDead(runs: RunBook, { signal }: Pick<CommandLine, 'signal'>): Promise<void> {
  await runs.closeOrphans({ signal }).catch(() => undefined)
}
