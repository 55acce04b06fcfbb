/**
 * Writes the rows of a table into better files: small files become one, or all rows follow a Z-curve.
 *
 * The rows stay the same (`dataChange` false). So appends and readers of changes do not conflict with it. It commits in
 * batches: if it is killed or cancelled, only the current batch is lost.
 */

import { posix } from 'node:path'
import { isLakeError, LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { parseCondition } from '../change/condition.ts'
import { removalMetrics } from '../change/operation.ts'
import { type Metrics, type Plan, write } from '../change/write.ts'
import type { AddFile } from '../log/actions.ts'
import { decodeFilePath } from '../log/file-path.ts'
import type { Version } from '../log/log-path.ts'
import type { StringMap } from '../protocol/metadata.ts'
import type { Predicate } from '../rows/predicate.ts'
import { pruneFiles } from '../rows/pruning.ts'
import type { StagedFiles } from '../rows/stage.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { recordsIn } from '../snapshot/statistics.ts'
import type { DeltaTable } from '../table.ts'
import { type Bin, bytesOf, compactionBins, defaultTargetFileBytes } from './compaction.ts'
import { zOrderBins, zOrderFields, zOrderSql } from './z-order.ts'

export interface OptimizeOptions extends IoOptions {
  /** SQL over partition columns only; without it, all partitions. */
  readonly where?: string
  /** Leaves files out. */
  readonly only?: (file: AddFile) => boolean
  /** `delta.targetFileSize` without it, or `defaultTargetFileBytes`. */
  readonly targetFileBytes?: number
  /** Files from this size on are left as they are, unless many of their rows are deleted. 3/4 of the target without it. */
  readonly minFileBytes?: number
  /** Puts the rows of each partition in the order of a Z-curve through these columns. */
  readonly zOrderBy?: readonly string[]
  /** Orders also the files that are in this order already. */
  readonly full?: boolean
  /** A batch takes files of so many bytes, and one bin at least. 1 GiB without it. */
  readonly batchBytes?: number
  /** Further properties of the commit, shown in the history. */
  readonly tags?: StringMap
  /** Shown in the history: a program asked for it, not a person. */
  readonly auto?: boolean
  /** After each commit. */
  readonly onProgress?: (soFar: OptimizeOutcome) => void
}

export interface OptimizeOutcome {
  /** The newest version, of the last commit where there was one. */
  readonly version: Version
  readonly commits: number
  readonly removedFiles: number
  readonly removedBytes: number
  readonly addedFiles: number
  readonly addedBytes: number
}

const defaultBatchBytes = 2 ** 30
const smallShare = 0.75

/**
 * What a run has written it does not write again, so a run ends however fast others write.
 *
 * @throws LakeError `SQL_INVALID` for a condition over other columns or columns that cannot be ordered by,
 * `COLUMN_MISSING`, `CONFIG_INVALID` for sizes that make no sense, and as `write` does. Batches that were committed
 * stay.
 */
export async function optimize(table: DeltaTable, options: OptimizeOptions = {}): Promise<OptimizeOutcome> {
  const { signal, batchBytes = defaultBatchBytes, onProgress } = options
  /** Files of this run: they are good as they are. */
  const done = new Set<string>()
  let soFar: Omit<OptimizeOutcome, 'version'> = {
    commits: 0,
    removedFiles: 0,
    removedBytes: 0,
    addedFiles: 0,
    addedBytes: 0,
  }
  for (;;) {
    signal?.throwIfAborted()
    const batch = new Batch(table, options)
    const outcome = await batch.write(async (session, snapshot) => {
      const bins = await binsOf(session, table, snapshot, done, options)
      return firstOf(bins, batchBytes)
    })
    if (outcome.kind !== 'committed') return { ...soFar, version: outcome.version }
    for (const { path } of batch.added) done.add(path)
    soFar = {
      commits: soFar.commits + 1,
      removedFiles: soFar.removedFiles + batch.removed.length,
      removedBytes: soFar.removedBytes + bytesOf(batch.removed),
      addedFiles: soFar.addedFiles + batch.added.length,
      addedBytes: soFar.addedBytes + bytesOf(batch.added),
    }
    onProgress?.({ ...soFar, version: outcome.version })
  }
}

interface StagedBin {
  readonly bin: Bin
  readonly staged: StagedFiles
  readonly add: readonly AddFile[]
}

/** What one commit is made of. Bins that another writer spoils are dropped from it, the others stay staged. */
class Batch {
  readonly #table: DeltaTable
  readonly #options: OptimizeOptions
  #bins: readonly StagedBin[] = []
  #stagedFor: Snapshot | undefined

  constructor(table: DeltaTable, options: OptimizeOptions) {
    this.#table = table
    this.#options = options
  }

  get removed(): readonly AddFile[] {
    return this.#bins.flatMap(({ bin }) => bin.files)
  }

  get added(): readonly AddFile[] {
    return this.#bins.flatMap(({ add }) => add)
  }

  async write(
    choose: (session: DuckDbSession, snapshot: Snapshot) => Promise<readonly Bin[]>,
  ): ReturnType<typeof write> {
    const { tags, signal } = this.#options
    using session = await this.#table.duckdb.connect()
    let isPlanned = false
    try {
      return await write(this.#table, { signal, ...(tags !== undefined && { tags }) }, async (snapshot) => {
        isPlanned = false
        this.#table.requireWritable(snapshot)
        await this.#dropSpoiled(snapshot)
        if (this.#bins.length === 0) {
          this.#stagedFor = snapshot
          for (const bin of await choose(session, snapshot)) await this.#stage(session, snapshot, bin)
        }
        isPlanned = true
        return this.#plan()
      })
    } catch (error) {
      // Where the commit may have been made its files must stay.
      if (!isPlanned || isLakeError(error, 'COMMIT_LOST', 'COMMIT_CONFLICT')) await this.#drop(this.#bins)
      throw error
    }
  }

  async #dropSpoiled(snapshot: Snapshot): Promise<void> {
    const staged = this.#stagedFor
    if (staged === undefined) return
    const isSame = staged.metadata === snapshot.metadata && staged.protocol === snapshot.protocol
    const live = new Set(snapshot.files)
    const isGood = ({ bin }: StagedBin): boolean => isSame && bin.files.every((file) => live.has(file))
    const spoiled = this.#bins.filter((bin) => !isGood(bin))
    this.#bins = this.#bins.filter(isGood)
    await this.#drop(spoiled)
  }

  async #drop(bins: readonly StagedBin[]): Promise<void> {
    for (const { staged } of bins) await this.#table.discard(staged)
  }

  async #stage(session: DuckDbSession, snapshot: Snapshot, bin: Bin): Promise<void> {
    const { files, zOrder, tags } = bin
    const { signal } = this.#options
    const select = await this.#table.scan(session, snapshot, { files, signal })
    const folder = folderOf(files)
    const staged = await this.#table.stage(session, snapshot, select, {
      dataChange: false,
      partition: files[0]?.partitionValues ?? {},
      ...(folder !== undefined && { folder }),
      ...(zOrder !== undefined && {
        targetFileBytes: zOrder.targetFileBytes,
        ...(zOrder.rowGroupRows !== undefined && { rowGroupRows: zOrder.rowGroupRows }),
        orderBy: await zOrderSql(session, select, zOrderFields(snapshot, zOrder.columns), { signal }),
      }),
      signal,
    })
    const add = staged.files.map((file) =>
      tags === undefined ? file : { ...file, tags: { ...tags, ...file.tags } },
    )
    this.#bins = [...this.#bins, { bin, staged, add }]
    const expected = recordsIn(files)
    if (expected !== undefined && expected !== staged.rows) {
      throw new LakeError(
        'BUG',
        `Optimize of ${this.#table.uri}: expected ${expected} rows, wrote ${staged.rows}`,
        { details: { uri: this.#table.uri, files: files.map(({ path }) => path) } },
      )
    }
  }

  #plan(): Plan | undefined {
    if (this.#bins.length === 0) return undefined
    const { where, zOrderBy = [], auto = false } = this.#options
    const { removed: remove, added: add } = this
    return {
      add,
      remove,
      dataChange: false,
      reads: { kind: 'rows', files: remove, mayHold: async () => [] },
      isolation: 'SnapshotIsolation',
      operation: {
        name: 'OPTIMIZE',
        parameters: {
          predicate: JSON.stringify(where === undefined ? [] : [where]),
          zOrderBy: JSON.stringify(zOrderBy),
          auto,
        },
        metrics: optimizeMetrics(add, remove),
      },
    }
  }
}

function optimizeMetrics(add: readonly AddFile[], remove: readonly AddFile[]): Metrics {
  const sizes = add.map(({ size }) => size).sort((a, b) => a - b)
  const at = (share: number): number => sizes[Math.floor(share * (sizes.length - 1))] ?? 0
  return {
    ...removalMetrics(remove),
    numAddedFiles: add.length,
    numAddedBytes: bytesOf(add),
    numDeletionVectorsRemoved: remove.filter(({ deletionVector }) => deletionVector !== undefined).length,
    minFileSize: at(0),
    p25FileSize: at(0.25),
    p50FileSize: at(0.5),
    p75FileSize: at(0.75),
    maxFileSize: at(1),
  }
}

async function binsOf(
  session: DuckDbSession,
  table: DeltaTable,
  snapshot: Snapshot,
  done: ReadonlySet<string>,
  { where, only = () => true, zOrderBy = [], full = false, signal, ...sizes }: OptimizeOptions,
): Promise<readonly Bin[]> {
  const wanted = await filesWhere(session, snapshot, where, { signal })
  const files = wanted.filter((file) => !done.has(file.path) && only(file))
  const given = sizes.targetFileBytes ?? snapshot.properties.targetFileBytes
  const targetFileBytes = given ?? defaultTargetFileBytes
  const minFileBytes = sizes.minFileBytes ?? smallShare * targetFileBytes
  if (!(targetFileBytes >= 1 && minFileBytes >= 0)) {
    throw new LakeError(
      'CONFIG_INVALID',
      `Optimize of ${table.uri}: expected sizes above 0, got a target of ${targetFileBytes} and ${minFileBytes}`,
    )
  }
  if (zOrderBy.length === 0) return compactionBins(files, { targetFileBytes, minFileBytes })
  return zOrderBins(files, zOrderFields(snapshot, zOrderBy), {
    targetFileBytes: given,
    largestFileBytes: defaultTargetFileBytes,
    full,
  })
}

async function filesWhere(
  session: DuckDbSession,
  snapshot: Snapshot,
  where: string | undefined,
  { signal }: IoOptions,
): Promise<readonly AddFile[]> {
  if (where === undefined) return snapshot.files
  const { predicate } = await parseCondition(session, snapshot, where, { signal })
  if (!isOfPartitions(predicate)) {
    const columns = snapshot.partitionColumns.join(', ')
    throw new LakeError(
      'SQL_INVALID',
      `Optimize where ${where}: expected only partition columns, which are ${columns === '' ? 'none' : columns}`,
    )
  }
  return (await pruneFiles(session, snapshot, snapshot.files, predicate, { signal })).files
}

function isOfPartitions(predicate: Predicate): boolean {
  switch (predicate.kind) {
    case 'and':
    case 'or':
      return predicate.of.every(isOfPartitions)
    case 'not':
      return isOfPartitions(predicate.of)
    default:
      return predicate.kind === 'partition'
  }
}

function firstOf(bins: readonly Bin[], batchBytes: number): readonly Bin[] {
  let sizeBytes = 0
  return bins.filter((bin, index) => {
    sizeBytes += bin.sizeBytes
    return index === 0 || sizeBytes <= batchBytes
  })
}

/** Where the first of the files lies, as far as that is below the table. */
function folderOf(files: readonly AddFile[]): string | undefined {
  for (const { path } of files) {
    const place = decodeFilePath(path)
    if (place.kind === 'absolute') continue
    const folder = posix.dirname(posix.normalize(place.key))
    return folder === '.' ? undefined : folder
  }
  return undefined
}
