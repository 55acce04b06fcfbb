/**
 * Candidates: versions that a run has staged and an audit has refused. No log names their files, so no reader of the
 * table sees them, and vacuum removes them with the other files that nobody needs. The run store describes them.
 */
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type DeltaTable, decodeStagedVersion, missingFiles, type Snapshot } from '../../lib/delta/index.ts'
import type { CandidateBook } from '../../lib/runs/candidate-book.ts'
import { isLakeTable, type LakeTable } from '../model/tables.ts'
import { contentOf } from './candidate-summary.ts'

/**
 * The rows that a run has staged for a table, as a snapshot of the table that is in no log.
 *
 * @throws LakeError `RUN_MISSING` if the run has no candidate of it, naming those that have one; `OBJECT_MISSING` if its
 * files are gone.
 */
export async function candidateSnapshot(
  { name, table, candidates }: { name: LakeTable; table: DeltaTable; candidates: CandidateBook | undefined },
  runId: number,
  { signal }: IoOptions = {},
): Promise<Snapshot> {
  const all = (await candidates?.list({ table: name }, { signal })) ?? []
  const found = all.find((candidate) => candidate.runId === runId)
  if (found === undefined) {
    throw new LakeError('RUN_MISSING', `Run ${runId}: it has no candidate of ${name}`, {
      details: { table: name, runs: all.map((candidate) => candidate.runId), fault: 'no-candidate' },
    })
  }
  const what = `Candidate of run ${runId} for ${name}`
  const snapshot = decodeStagedVersion(table.store, contentOf(found).version, what)
  if (found.vacuumedMs === undefined && (await missingFiles(snapshot, { signal })).length === 0)
    return snapshot
  const gone =
    found.vacuumedMs === undefined
      ? 'its files are gone, and no vacuum of ours has removed them'
      : `vacuum has removed its files at ${new Date(found.vacuumedMs).toISOString()}`
  throw new LakeError('OBJECT_MISSING', `${what}: ${gone}`, {
    details: { table: name, runId, fault: 'candidate-gone' },
  })
}

/** After a vacuum: records of each candidate whose files are gone since when they are. */
export async function noteVacuumed(
  table: (name: LakeTable) => DeltaTable | Promise<DeltaTable>,
  candidates: CandidateBook,
  { signal }: IoOptions = {},
): Promise<void> {
  for (const candidate of await candidates.list({}, { signal })) {
    if (candidate.vacuumedMs !== undefined || !isLakeTable(candidate.table)) continue
    const { store } = await table(candidate.table)
    const { version } = contentOf(candidate)
    const snapshot = decodeStagedVersion(store, version, `Candidate of run ${candidate.runId}`)
    if ((await missingFiles(snapshot, { signal })).length > 0) {
      await candidates.vacuumed(candidate, { signal })
    }
  }
}
