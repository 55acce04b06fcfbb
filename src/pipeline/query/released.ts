/** What readers of the lake see of the tables that a batch makes: the versions of a release, and no run half done. */
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import type { Release } from '../../lib/runs/release-book.ts'
import type { Platform } from '../platform/compose.ts'
import { existingRuns } from './existing-runs.ts'

/** What landing goes on with; the newest version is whole by itself. */
const isStreamed = (name: string): boolean => name.startsWith('bronze/')

/**
 * A table at a release; at its newest version if the release has none of it, or of another table in its place.
 *
 * @param release the release that readers see. Without one, tables are at their newest versions.
 * @param isChosen the reader asked for this very release: then bronze is at it as well.
 * @throws LakeError `VERSION_MISSING` if the version is no longer there.
 */
export async function releasedSnapshot(
  name: string,
  table: DeltaTable,
  {
    release,
    isChosen,
    signal,
  }: IoOptions & { readonly release: Release | undefined; readonly isChosen: boolean },
): Promise<Snapshot> {
  const newest = await table.snapshot({ signal })
  const released = isStreamed(name) && !isChosen ? undefined : release?.tables[name]
  if (released === undefined || released.id !== newest.metadata.id) {
    if (isChosen && released !== undefined) {
      throw new LakeError(
        'VERSION_MISSING',
        `Release ${release?.id}, ${name}: another table is in its place`,
        {
          details: { table: name },
        },
      )
    }
    return newest
  }
  return released.version === newest.version ? newest : table.snapshot({ version: released.version, signal })
}

/** What one reader sees of the tables, however often it asks: versions that belong together. */
export interface ReadersView {
  snapshot(name: string, table: DeltaTable, options?: IoOptions): Promise<Snapshot>
}

/**
 * The newest release, or the one with this number. Where the platform has an overlay, that in place of the newest release,
 * beside the newest versions of the other tables: what it was made from.
 *
 * @throws LakeError `RELEASE_MISSING`
 */
export async function readersView(
  platform: Platform,
  id: number | undefined,
  { signal }: IoOptions = {},
): Promise<ReadersView> {
  const overlay = id === undefined ? await platform.overlay?.() : undefined
  const release = overlay === undefined ? await chosenRelease(platform, id, { signal }) : undefined
  return {
    snapshot: async (name, table, options) =>
      overlay?.get(name) ??
      releasedSnapshot(name, table, { release, isChosen: id !== undefined, ...options }),
  }
}

/** The release that readers see, or the one with this number. @throws LakeError `RELEASE_MISSING` */
export async function chosenRelease(
  platform: Platform,
  id: number | undefined,
  { signal }: IoOptions = {},
): Promise<Release | undefined> {
  // Where no run was ever recorded, nothing was released.
  if (id === undefined) return (await existingRuns(platform))?.releases.newest({ signal })
  const { releases } = await platform.runs()
  return releases.show(id, { signal })
}
