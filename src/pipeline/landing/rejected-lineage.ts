/**
 * Proof that `bronze/rejected` still holds what was landed in it. Each commit of `bronze/events` records the commit
 * of `bronze/rejected` that came before it: if that one was lost, say by a restore, the rejects of messages that the
 * events' offsets have passed are gone, and nobody would read them again.
 */

import type { IoOptions } from '../../lib/base/io.ts'
import type { CommitInfo, CommitRef, Snapshot } from '../../lib/delta/index.ts'

/** What marks a commit of landing. */
export const landingTags = { stage: 'landing' } as const

/** The tags of a commit of `bronze/events` that name the newest commit of `bronze/rejected`. */
export function rejectedTags(newest: CommitRef | undefined): Readonly<Record<string, string>> {
  return newest === undefined
    ? landingTags
    : { ...landingTags, rejectedVersion: String(newest.version), rejectedCommit: newest.id }
}

export type RejectsCheck =
  | { readonly kind: 'complete' }
  /** Commits of `bronze/rejected` are gone; `reason` says which. */
  | { readonly kind: 'lost'; readonly reason: string }

/** Whether `rejected` holds every commit that `events` was landed after. */
export async function checkRejects(
  events: Snapshot,
  rejected: Snapshot,
  { signal }: IoOptions = {},
): Promise<RejectsCheck> {
  const recorded = await recordedIn(events, { signal })
  if (recorded === undefined) return { kind: 'complete' }
  const newest = rejected.version
  if (newest < recorded.version) {
    const reason = `expected version ${recorded.version} or later, which ${events.uri} was landed after, got ${newest}`
    return { kind: 'lost', reason }
  }
  const found = await rejected.commitRef({ version: recorded.version, signal })
  // A commit that was cleaned up cannot be compared: the table has gone on far beyond it.
  if (found === undefined || found.id === recorded.id) return { kind: 'complete' }
  const reason = `version ${recorded.version} is another commit than the one that ${events.uri} was landed after`
  return { kind: 'lost', reason }
}

/** By the newest commit of landing; `undefined` if it is not in the log, or of a version that did not record it. */
async function recordedIn(events: Snapshot, { signal }: IoOptions): Promise<CommitRef | undefined> {
  for await (const { info } of events.commits({ signal })) if (isLanding(info)) return refOf(info)
  return undefined
}

export const landingOperation = 'STREAMING UPDATE'

function isLanding({ operation, tags }: CommitInfo): boolean {
  return operation === landingOperation && tags?.['stage'] === landingTags.stage
}

function refOf({ tags }: CommitInfo): CommitRef | undefined {
  const [of, id] = [tags?.['rejectedVersion'], tags?.['rejectedCommit']]
  return of === undefined || id === undefined ? undefined : { version: Number(of), id }
}
