/**
 * A Delta table: read versions of it, stage files that nobody sees, commit them.
 *
 * Prepare (data files, once) → stage (actions as plain data) → commit (check, conditional put).
 */
import { randomUUID } from 'node:crypto'
import { type Clock, systemClock } from '../base/clock.ts'
import { isLakeError, LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import type { DuckDb, DuckDbSession } from '../duckdb/duckdb.ts'
import { writeParquet } from '../duckdb/parquet.ts'
import { identifier } from '../duckdb/sql-text.ts'
import type { ObjectStore } from '../storage/store.ts'
import type { Action, AddFile, Metadata, Protocol, RemoveFile, StringMap } from './actions.ts'
import { writeCheckpoint } from './checkpoint.ts'
import { type CommitOutcome, commit, type Operation } from './commit.ts'
import type { ReadSet } from './conflict.ts'
import { encodeFilePath, fileIdentity } from './file-path.ts'
import { readHistory } from './history.ts'
import type { Version } from './log-path.ts'
import { requireWritable } from './protocol.ts'
import { type ScanOptions, scanSelect } from './scan.ts'
import { duckDbType, encodeSchema, type StructType } from './schema.ts'
import { advanceSnapshot, readSnapshot, type Snapshot } from './snapshot.ts'
import { encodeStatistics } from './statistics.ts'

export interface TableDeclaration {
  readonly schema: StructType
  readonly partitionBy?: readonly string[]
  readonly properties?: StringMap
}

export interface DeltaTableOptions {
  readonly store: ObjectStore
  readonly duckdb: DuckDb
  readonly clock?: Clock
  readonly logger?: Logger
}

/** Files that are durable and not yet visible, as the adds that would make them so. */
export interface StagedFiles {
  readonly files: readonly AddFile[]
  readonly rows: number
  readonly sizeBytes: number
}

export interface Change {
  readonly add?: readonly AddFile[]
  readonly remove?: readonly AddFile[]
  /** Application → the version it has now written, monotone. */
  readonly transactions?: Readonly<Record<string, number>>
  readonly metadata?: Metadata
  readonly reads: ReadSet
  readonly operation: Operation
}

/** Where a version is wanted by its time. */
export interface ReadOptions extends IoOptions {
  readonly version?: number | undefined
  /** The newest version committed at or before. Milliseconds since the epoch. */
  readonly timestampMs?: number | undefined
}

const defaultCheckpointInterval = 10
/** Tombstones are kept for a week: readers of older versions may still need the files. */
const tombstoneRetentionMs = 7 * 86_400_000

export class DeltaTable {
  readonly store: ObjectStore
  readonly duckdb: DuckDb
  readonly #clock: Clock
  readonly #logger: Logger
  #newest: Snapshot | undefined

  constructor({ store, duckdb, clock = systemClock, logger = silentLogger }: DeltaTableOptions) {
    this.store = store
    this.duckdb = duckdb
    this.#clock = clock
    this.#logger = logger
  }

  get uri(): string {
    return this.store.uri
  }

  async exists(options: IoOptions = {}): Promise<boolean> {
    try {
      await this.snapshot(options)
      return true
    } catch (error) {
      if (isLakeError(error, 'TABLE_MISSING')) return false
      throw error
    }
  }

  /**
   * @throws LakeError `TABLE_MISSING`, `VERSION_MISSING`, `PROTOCOL_UNSUPPORTED` or `LOG_CORRUPT`.
   */
  async snapshot({ version: wanted, timestampMs, signal }: ReadOptions = {}): Promise<Snapshot> {
    if (timestampMs !== undefined) {
      return readSnapshot(this.store, this.duckdb, {
        version: await this.#versionAt(timestampMs, { signal }),
        signal,
      })
    }
    if (wanted !== undefined) return readSnapshot(this.store, this.duckdb, { version: wanted, signal })
    this.#newest =
      this.#newest === undefined
        ? await readSnapshot(this.store, this.duckdb, { signal })
        : await advanceSnapshot(this.store, this.#newest, { signal })
    return this.#newest
  }

  async #versionAt(timestampMs: number, options: IoOptions): Promise<number> {
    let found: number | undefined
    for await (const entry of this.history(options)) {
      if (entry.timestampMs <= timestampMs) {
        found = entry.version
        break
      }
    }
    if (found !== undefined) return found
    throw new LakeError(
      'VERSION_MISSING',
      `${this.uri}: no version is as old as ${new Date(timestampMs).toISOString()}`,
      { details: { uri: this.uri, timestampMs } },
    )
  }

  /** Newest first. */
  history(options: IoOptions = {}): ReturnType<typeof readHistory> {
    return readHistory(this.store, options)
  }

  /** Makes the table as version 0; of many racing makers one does. */
  async createIfMissing(
    declaration: TableDeclaration,
    { signal, operation }: IoOptions & { readonly operation?: Operation } = {},
  ): Promise<'created' | 'exists'> {
    if (await this.exists({ signal })) return 'exists'
    const { schema, partitionBy = [], properties = {} } = declaration
    const configuration = { 'delta.enableInCommitTimestamps': 'true', ...properties }
    const usesNtz = /"timestamp_ntz"/.test(encodeSchema(schema))
    const protocol: Protocol = {
      minReaderVersion: usesNtz ? 3 : 1,
      minWriterVersion: 7,
      ...(usesNtz && { readerFeatures: ['timestampNtz'] }),
      writerFeatures: ['appendOnly', 'invariants', 'inCommitTimestamp', ...(usesNtz ? ['timestampNtz'] : [])],
    }
    const metaData: Metadata = {
      id: randomUUID(),
      format: { provider: 'parquet', options: {} },
      schemaString: encodeSchema(schema),
      partitionColumns: partitionBy,
      configuration,
      createdTime: this.#clock.now(),
    }
    const outcome = await commit(
      this.store,
      {
        readVersion: undefined,
        actions: [{ protocol }, { metaData }],
        reads: { kind: 'table' },
        operation: { name: 'CREATE TABLE', ...operation },
        inCommitTimestamps: { kind: 'on', previousMs: undefined },
      },
      { signal, clock: this.#clock },
    )
    return outcome.kind === 'committed' ? 'created' : 'exists'
  }

  /** A SELECT over the rows of `snapshot`, good in this session. */
  scan(session: DuckDbSession, snapshot: Snapshot, options: ScanOptions = {}): Promise<string> {
    return scanSelect(session, this.store, snapshot, options)
  }

  /**
   * Writes the rows of `select` as data files, durable and seen by nobody. Columns are matched by name and
   * cast to the types of the schema.
   *
   * @throws LakeError `SCHEMA_MISMATCH` naming the columns that are missing or too many.
   */
  async stage(
    session: DuckDbSession,
    snapshot: Snapshot,
    select: string,
    { signal }: IoOptions = {},
  ): Promise<StagedFiles> {
    const { schema, partitionColumns } = snapshot
    const given = (await session.describe(select, { signal })).map(({ name }) => name)
    const wanted = schema.fields.map(({ name }) => name)
    const missing = wanted.filter((name) => !given.includes(name))
    const unknown = given.filter((name) => !wanted.includes(name))
    if (missing.length > 0 || unknown.length > 0) {
      throw new LakeError(
        'SCHEMA_MISMATCH',
        `${this.uri}: expected columns ${wanted.join(', ')}; ${[
          missing.length > 0 ? `missing: ${missing.join(', ')}` : '',
          unknown.length > 0 ? `not in the table: ${unknown.join(', ')}` : '',
        ]
          .filter((part) => part !== '')
          .join('; ')}`,
        { details: { uri: this.uri, missing, unknown } },
      )
    }
    const columns = schema.fields.map(
      ({ name, type }) => `cast(${identifier(name)} as ${duckDbType(type)}) as ${identifier(name)}`,
    )
    const written = await writeParquet(session, `select ${columns.join(', ')} from (${select})`, {
      directory: this.store.stagingRoot,
      partitionBy: partitionColumns,
      signal,
    })
    await this.store.publish(
      written.map(({ key }) => key),
      { signal },
    )
    const now = this.#clock.now()
    return {
      files: written.map((file) => ({
        path: encodeFilePath(file.key),
        partitionValues: file.partition,
        size: file.sizeBytes,
        modificationTime: now,
        dataChange: true,
        stats: encodeStatistics(file.rows, file.columns, schema),
      })),
      rows: written.reduce((sum, { rows }) => sum + rows, 0),
      sizeBytes: written.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    }
  }

  /** Removes staged files that will not be committed. Best effort: nobody sees them, vacuum finds them. */
  async discard(staged: StagedFiles): Promise<void> {
    const keys = staged.files.map(({ path }) => fileIdentity(path))
    await this.store.delete(keys).catch((error: unknown) => {
      this.#logger.debug({ err: error, uri: this.uri, keys }, 'Staged files could not be removed')
    })
  }

  /**
   * Commits a change that was computed from `snapshot`, and now and then a checkpoint after it.
   *
   * @returns `conflict` when another commit makes the change wrong: compute it anew from a fresh snapshot.
   * @throws LakeError `BUG` when a transaction would go backwards, `PROTOCOL_UNSUPPORTED`, `COMMIT_LOST` or
   * `COMMIT_UNKNOWN`.
   */
  async commit(snapshot: Snapshot, change: Change, { signal }: IoOptions = {}): Promise<CommitOutcome> {
    requireWritable(snapshot.protocol, snapshot.metadata, this.uri)
    const transactions = Object.entries(change.transactions ?? {})
    for (const [appId, to] of transactions) {
      const from = snapshot.transactionVersion(appId)
      if (from !== undefined && to < from) {
        throw new LakeError('BUG', `${this.uri}: ${appId} is at ${from} and must not go back to ${to}`)
      }
    }
    const now = this.#clock.now()
    const actions: readonly Action[] = [
      ...(change.metadata === undefined ? [] : [{ metaData: change.metadata }]),
      ...transactions.map(([appId, to]) => ({ txn: { appId, version: to, lastUpdated: now } })),
      ...(change.remove ?? []).map((file) => ({ remove: removeOf(file, now) })),
      ...(change.add ?? []).map((add) => ({ add })),
    ]
    const outcome = await commit(
      this.store,
      {
        readVersion: snapshot.version,
        actions,
        reads: change.reads,
        operation: change.operation,
        inCommitTimestamps:
          snapshot.metadata.configuration['delta.enableInCommitTimestamps'] === 'true'
            ? { kind: 'on', previousMs: snapshot.state.inCommitTimestampMs }
            : { kind: 'off' },
      },
      { signal, clock: this.#clock },
    )
    if (outcome.kind === 'committed') await this.#checkpointWhenDue(outcome.version)
    return outcome
  }

  /** Best effort: the log is whole without it, and the next writer tries again. */
  async #checkpointWhenDue(at: Version): Promise<void> {
    if (at === 0) return
    try {
      const snapshot = await this.snapshot()
      const interval = Number(
        snapshot.metadata.configuration['delta.checkpointInterval'] ?? defaultCheckpointInterval,
      )
      if (at % interval === 0) await this.checkpoint({ version: at })
    } catch (error) {
      this.#logger.warn({ err: error, uri: this.uri, version: at }, 'The checkpoint could not be written')
    }
  }

  async checkpoint(options: ReadOptions = {}): Promise<Version> {
    const newest = this.#newest
    const snapshot =
      newest !== undefined && newest.version === options.version ? newest : await this.snapshot(options)
    await writeCheckpoint(this.store, this.duckdb, snapshot.version, snapshot.state, {
      expiredBeforeMs: this.#clock.now() - tombstoneRetentionMs,
      ...(options.signal !== undefined && { signal: options.signal }),
    })
    return snapshot.version
  }
}

function removeOf(file: AddFile, deletionTimestamp: number): RemoveFile {
  return {
    path: file.path,
    deletionTimestamp,
    dataChange: true,
    extendedFileMetadata: true,
    partitionValues: file.partitionValues,
    size: file.size,
    ...(file.deletionVector !== undefined && { deletionVector: file.deletionVector }),
  }
}
