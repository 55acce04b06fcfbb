/** Finds the table that a command changes. */

import { LakeError } from '../../lib/base/errors.ts'
import type { DeltaTable, WriteOutcome } from '../../lib/delta/index.ts'
import type { Platform } from '../../pipeline/platform/compose.ts'
import { locateTable, ownName } from '../../pipeline/query/locate.ts'
import { violationsName, violationsTable } from '../../pipeline/reconcile/violating-rows.ts'
import type { CommandLine } from '../command-line.ts'

export interface TargetFlags {
  /** Also a table of the platform, whose stages count on what they have written. */
  readonly force?: boolean
}

export const tableArgument = 'a name (gold/daily_active_users), a path, or a URI (file://…, s3://…)'
export const forceText = 'change one of the tables that the platform itself writes'

/**
 * @throws LakeError `USAGE` for a table of the platform without `force`, `TABLE_MISSING` where there is none and it
 * is not to be made.
 */
export async function targetTable(
  name: string,
  { force = false, orNew = false }: TargetFlags & { readonly orNew?: boolean },
  { platform, signal }: CommandLine,
): Promise<DeltaTable> {
  const table = await locateTable(platform, name, { orNew, signal })
  const own = force ? undefined : await writtenName(platform, table)
  if (own === undefined) return table
  throw new LakeError('USAGE', `${own} is written by the platform: its books would no longer balance`, {
    details: { table: own, fix: 'Work on a copy; --force changes it all the same.' },
  })
}

/** The name of a table that stages, the batch or `lake check` write. */
async function writtenName(platform: Platform, table: DeltaTable): Promise<string | undefined> {
  const violations = await violationsTable(platform)
  return violations.uri === table.uri ? violationsName : ownName(platform, table)
}

/** Says what was committed. */
export async function reportWrite(table: DeltaTable, outcome: WriteOutcome, cli: CommandLine): Promise<void> {
  await cli.result({ table: table.uri, ...outcome }, () => {
    switch (outcome.kind) {
      case 'committed':
        return `committed version ${outcome.version}${metricsText(outcome.metrics)}`
      case 'repeated':
        return `nothing written: version ${outcome.version} has this transaction already`
      case 'unchanged':
        return `nothing to do at version ${outcome.version}`
    }
  })
}

function metricsText(metrics: Readonly<Record<string, unknown>>): string {
  const texts = Object.entries(metrics).map(([name, value]) => `${name} ${String(value)}`)
  return texts.length === 0 ? '' : `: ${texts.join(', ')}`
}
