/**
 * A Delta table: read versions of it, stage files that nobody sees, commit them.
 *
 * Prepare (data files, once) → stage (actions as plain data) → commit (check, conditional put).
 */
import { type Clock, systemClock } from '../base/clock.ts'
import { isLakeError, LakeError, messageOf } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import type { DuckDb, DuckDbSession } from '../duckdb/duckdb.ts'
import type { ObjectStore } from '../storage/store.ts'
import type { Action, AddFile, ChangeFile, DomainMetadata, RemoveFile } from './log/actions.ts'
import {
  type CommitOutcome,
  type CommitResult,
  commit,
  type Operation,
  type StagedChange,
} from './log/commit.ts'
import { listCommitTimes, versionAt } from './log/commit-times.ts'
import type { Isolation, ReadSet } from './log/conflict.ts'
import { fileIdentity } from './log/file-path.ts'
import { readHistory } from './log/history.ts'
import type { Version } from './log/log-path.ts'
import type { Metadata, Protocol } from './protocol/metadata.ts'
import { declareTable, type NewTable, type TableDeclaration } from './protocol/new-table.ts'
import { propertiesOf } from './protocol/properties.ts'
import { hasInCommitTimestamps, requireWritable, usesV2Checkpoints } from './protocol/protocol.ts'
import { type ChangesOptions, changesSelect } from './rows/changes.ts'
import { adoptFiles, requireAdoptable } from './rows/engine/adopt.ts'
import { type ScanOptions, scanSelect } from './rows/scan.ts'
import { type StagedFiles, type StageOptions, stageRows } from './rows/stage.ts'
import { writeCheckpoint } from './snapshot/checkpoint.ts'
import { type CommittedVersion, checkpointWhenDue } from './snapshot/checkpoint-when-due.ts'
import { cleanLog } from './snapshot/log-cleanup.ts'
import { advanceSnapshot, nextSnapshot, readSnapshot, type Snapshot } from './snapshot/snapshot.ts'

export type { TableDeclaration } from './protocol/new-table.ts'
export type { StagedFiles } from './rows/stage.ts'

export interface DeltaTableOptions {
  readonly store: ObjectStore
  readonly duckdb: DuckDb
  readonly clock?: Clock
  readonly logger?: Logger
  /** What follows each commit: a checkpoint when one is due without it. */
  readonly afterCommit?: AfterCommit
}

/** Work after a commit, which is made whatever becomes of it: it tells of its failures and does not throw. */
export type AfterCommit = (table: DeltaTable, commit: CommittedVersion) => Promise<void>

export interface Change {
  readonly add?: readonly AddFile[]
  readonly remove?: readonly AddFile[]
  /** All that the change does to rows, where `add` and `remove` do not say it. */
  readonly changeFiles?: readonly ChangeFile[]
  /** Application → the version it has now written, monotone. */
  readonly transactions?: Readonly<Record<string, number>>
  /** Lets a transaction go back: its source was restored to an older version. */
  readonly mayGoBack?: boolean
  /** Replaces the one before it as a whole. */
  readonly metadata?: Metadata
  readonly protocol?: Protocol
  readonly domains?: readonly DomainMetadata[]
  /** False where rows only move: the files removed are not gone for readers of changes. True without it. */
  readonly dataChange?: boolean
  readonly reads: ReadSet
  /** `Serializable` without it. */
  readonly isolation?: Isolation
  readonly operation: Operation
}

/** What the first version of a table holds besides its protocol and metadata. */
export type FirstFiles = Pick<Change, 'add' | 'domains' | 'transactions' | 'operation'>

/** What a change does to rows: adds some, or takes some away or changes them as well. */
export type WriteExtent = 'append' | 'rows'

/** Where a version is wanted by its time. */
export interface ReadOptions extends IoOptions {
  readonly version?: number | undefined
  /** The newest version committed at or before. Milliseconds since the epoch. */
  readonly timestampMs?: number | undefined
}

export class DeltaTable {
  readonly store: ObjectStore
  readonly duckdb: DuckDb
  /** What the times that it writes and compares are by. */
  readonly clock: Clock
  readonly logger: Logger
  readonly #afterCommit: AfterCommit
  #newest: Snapshot | undefined
  /** The newest checkpoint cannot be read: the next commit makes another. */
  #hasBrokenCheckpoint = false

  constructor({
    store,
    duckdb,
    clock = systemClock,
    logger = silentLogger,
    afterCommit = checkpointWhenDue,
  }: DeltaTableOptions) {
    this.#afterCommit = afterCommit
    this.store = store
    this.duckdb = duckdb
    this.clock = clock
    this.logger = logger
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
        version: await versionAt(this.store, await this.snapshot({ signal }), timestampMs, { signal }),
        signal,
      })
    }
    if (wanted !== undefined) return readSnapshot(this.store, this.duckdb, { version: wanted, signal })
    const known = this.#newest
    const advanced = known && (await advanceSnapshot(this.store, known, { signal }))
    const newest =
      advanced ??
      (await readSnapshot(this.store, this.duckdb, {
        onBrokenCheckpoint: (keys, error) => this.#tellBroken(keys, error),
        signal,
      }))
    if (known !== undefined && advanced === undefined) await this.#tellReplaced(known, newest, { signal })
    this.#newest = newest
    return newest
  }

  /** A commit that is gone because it was old is no news. */
  async #tellReplaced(known: Snapshot, newest: Snapshot, { signal }: IoOptions): Promise<void> {
    const isOther =
      newest.version < known.version ||
      (await newest.commitRef({ version: known.version, signal })) !== undefined
    if (!isOther) return
    this.logger.warn(
      { uri: this.uri, known: known.version, newest: newest.version },
      'The table was restored from a copy, or replaced: it was read again from the start',
    )
  }

  #tellBroken(keys: readonly string[], error: unknown): void {
    this.#hasBrokenCheckpoint = true
    this.logger.warn(
      { err: messageOf(error), uri: this.uri, keys },
      'A checkpoint cannot be read: the commits were, and the next write makes another',
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
    const made = declareTable(declaration, { uri: this.uri, nowMs: this.clock.now() })
    return this.create({ ...made, operation: { name: 'CREATE TABLE', ...operation } }, { signal })
  }

  /**
   * Commits version 0, with files that were staged for it; of many racing makers one does.
   *
   * @throws LakeError as `commit` does.
   */
  async create(
    { protocol, metadata, operation, ...first }: NewTable & FirstFiles,
    { signal }: IoOptions = {},
  ): Promise<'created' | 'exists'> {
    requireWritable(protocol, metadata, this.uri)
    const now = this.clock.now()
    const outcome = await commit(
      this.store,
      {
        readVersion: undefined,
        actions: [
          { protocol },
          { metaData: metadata },
          ...(first.domains ?? []).map((domainMetadata) => ({ domainMetadata })),
          ...Object.entries(first.transactions ?? {}).map(([appId, version]) => ({
            txn: { appId, version, lastUpdated: now },
          })),
          ...(first.add ?? []).map((add) => ({ add })),
        ],
        reads: { kind: 'table' },
        isolation: 'Serializable',
        operation,
        inCommitTimestamps: hasInCommitTimestamps(metadata)
          ? { kind: 'on', previousMs: undefined }
          : { kind: 'off' },
      },
      { signal, clock: this.clock },
    )
    return outcome.kind === 'committed' ? 'created' : 'exists'
  }

  /**
   * A SELECT over the rows that the versions from `from` up to `to`'s changed, good in `session` alone; see
   * `changesSelect`.
   */
  changes(session: DuckDbSession, to: Snapshot, options: ChangesOptions): Promise<string> {
    return changesSelect(session, this.store, this.duckdb, to, options)
  }

  /** A SELECT over the rows of `snapshot`, good in `session` alone. */
  scan(session: DuckDbSession, snapshot: Snapshot, options: ScanOptions = {}): Promise<string> {
    return scanSelect(session, this.store, snapshot, options)
  }

  /** Writes the rows of `select` as data files, durable and seen by nobody. @throws as `stageRows` does. */
  async stage(
    session: DuckDbSession,
    { metadata }: Pick<Snapshot, 'metadata'>,
    select: string,
    options: StageOptions = {},
  ): Promise<StagedFiles> {
    const target = { store: this.store, clock: this.clock, metadata }
    return stageRows(session, target, select, options)
  }

  /** @throws as `requireAdoptable` does. */
  requireAdoptable(snapshot: Pick<Snapshot, 'metadata'>): void {
    requireAdoptable(this.store, snapshot)
  }

  /** Takes the Parquet files that an engine has written to a folder below the root. @throws as `adoptFiles` does. */
  async adopt(
    session: DuckDbSession,
    snapshot: Snapshot,
    folder: string,
    options: IoOptions = {},
  ): Promise<StagedFiles> {
    const target = { store: this.store, clock: this.clock, metadata: snapshot.metadata }
    return adoptFiles(session, target, snapshot, folder, options)
  }

  /** Removes all files of a folder that an engine was writing to. Best effort: vacuum finds them. */
  async discardFolder(folder: string): Promise<void> {
    try {
      const keys: string[] = []
      for await (const { key } of this.store.list(`${folder}/`)) keys.push(key)
      await this.store.delete(keys)
    } catch (error) {
      this.logger.debug({ err: error, uri: this.uri, folder }, 'Files of an engine could not be removed')
    }
  }

  /**
   * Whether such a change may be made to the table: to be asked before a byte of it is staged.
   *
   * @throws LakeError `PROTOCOL_UNSUPPORTED` naming each feature that we cannot write, `CONSTRAINT_VIOLATED` for a
   * table that only grows.
   */
  requireWritable({ protocol, metadata }: Snapshot, extent: WriteExtent = 'append'): void {
    requireWritable(protocol, metadata, this.uri)
    if (extent !== 'append') requireDeletable(metadata, this.uri)
  }

  /** Removes staged files that will not be committed. Best effort: nobody sees them, vacuum finds them. */
  async discard(staged: StagedFiles): Promise<void> {
    const keys = staged.files.map(({ path }) => fileIdentity(path))
    await this.store.delete(keys).catch((error: unknown) => {
      this.logger.debug({ err: error, uri: this.uri, keys }, 'Staged files could not be removed')
    })
  }

  /**
   * Commits a change that was computed from `snapshot`, and then does what is to follow a commit.
   *
   * @returns `conflict` when another commit makes the change wrong, or the table was restored from a copy meanwhile:
   * compute it again from a fresh snapshot.
   * @throws LakeError `BUG` when a transaction would go backwards, `PROTOCOL_UNSUPPORTED`, `COMMIT_LOST` or
   * `COMMIT_UNKNOWN`.
   */
  async commit(snapshot: Snapshot, change: Change, { signal }: IoOptions = {}): Promise<CommitOutcome> {
    const { dataChange = true } = change
    const takesRows = dataChange && (change.remove ?? []).length > 0
    this.requireWritable(snapshot, takesRows ? 'rows' : 'append')
    const transactions = Object.entries(change.transactions ?? {})
    for (const [appId, to] of transactions) {
      const from = snapshot.transactionVersion(appId)
      if (from !== undefined && to < from && change.mayGoBack !== true) {
        throw new LakeError('BUG', `${this.uri}: ${appId} is at ${from} and must not go back to ${to}`)
      }
    }
    const now = this.clock.now()
    const actions: readonly Action[] = [
      ...(change.protocol === undefined ? [] : [{ protocol: change.protocol }]),
      ...(change.metadata === undefined ? [] : [{ metaData: change.metadata }]),
      ...(change.domains ?? []).map((domainMetadata) => ({ domainMetadata })),
      ...transactions.map(([appId, to]) => ({ txn: { appId, version: to, lastUpdated: now } })),
      ...(change.remove ?? []).map((file) => ({ remove: removeOf(file, now, dataChange) })),
      ...(change.add ?? []).map((add) => ({ add })),
      ...(change.changeFiles ?? []).map((cdc) => ({ cdc })),
    ]
    const outcome = await commit(
      this.store,
      {
        readVersion: snapshot.version,
        readFrom: snapshot.readFrom,
        actions,
        reads: change.reads,
        isolation: isolationOf(snapshot.metadata, change.isolation),
        operation: change.operation,
        inCommitTimestamps: await this.#inCommitTimestamps(snapshot, change.metadata, { signal }),
      },
      { signal, clock: this.clock },
    )
    if (outcome.kind === 'conflict') return outcome
    const { version } = outcome
    this.#advance(snapshot, outcome)
    await this.#afterCommit(this, {
      version,
      properties: propertiesOf((change.metadata ?? snapshot.metadata).configuration),
      needsCheckpoint: this.#hasBrokenCheckpoint,
    })
    return { kind: 'committed', version }
  }

  /** Takes up our own commit where nobody came between: there is nothing to read then. */
  #advance(from: Snapshot, { version, actions, id }: Extract<CommitResult, { kind: 'committed' }>): void {
    if (this.#newest !== from || version !== from.version + 1) return
    try {
      this.#newest = nextSnapshot(from, actions, id)
    } catch {
      // The commit is made all the same. Who asks for the version is told why it cannot be read.
    }
  }

  async #inCommitTimestamps(
    { metadata, state, version }: Snapshot,
    changed: Metadata | undefined,
    { signal }: IoOptions,
  ): Promise<StagedChange['inCommitTimestamps']> {
    if (hasInCommitTimestamps(metadata)) return { kind: 'on', previousMs: state.inCommitTimestampMs }
    if (!hasInCommitTimestamps(changed)) return { kind: 'off' }
    const times = await listCommitTimes(this.store, { signal })
    const before = times.findLast((commit) => commit.version <= version)
    return { kind: 'begin', previousMs: before?.timestampMs }
  }

  /**
   * Writes a checkpoint, and takes what is too old out of the log.
   *
   * @throws LakeError `PROTOCOL_UNSUPPORTED` where a checkpoint of ours would lose what the table holds,
   * `CONFIG_INVALID` for a retention that is no span of time, and as `snapshot` does.
   */
  async checkpoint(options: ReadOptions = {}): Promise<Version> {
    const newest = this.#newest
    const snapshot =
      newest !== undefined && newest.version === options.version ? newest : await this.snapshot(options)
    this.requireWritable(snapshot)
    const { signal } = options
    const { protocol, metadata } = snapshot
    await writeCheckpoint(this.store, this.duckdb, snapshot.version, snapshot.state, {
      expiredBeforeMs: this.clock.now() - snapshot.properties.deletedFileRetentionMs,
      policy: usesV2Checkpoints(protocol, metadata) ? 'v2' : 'classic',
      signal,
    })
    if (snapshot.version === this.#newest?.version) this.#hasBrokenCheckpoint = false
    await this.#cleanLog({ signal })
    return snapshot.version
  }

  /** Best effort: an old file that stays costs room, nothing else. */
  async #cleanLog({ signal }: IoOptions): Promise<void> {
    try {
      const newest = await this.snapshot({ signal })
      await cleanLog(this.store, this.duckdb, newest, { nowMs: this.clock.now(), signal })
    } catch (error) {
      signal?.throwIfAborted()
      this.logger.warn({ err: error, uri: this.uri }, 'Old files of the log could not be removed')
    }
  }
}

/** @throws LakeError `CONSTRAINT_VIOLATED` for a table that only grows. */
function requireDeletable({ configuration }: Metadata, table: string): void {
  if (!propertiesOf(configuration).appendOnly) return
  throw new LakeError(
    'CONSTRAINT_VIOLATED',
    `${table}: delta.appendOnly is true: rows may not be deleted or changed`,
    {
      details: { table, fault: 'append-only' },
    },
  )
}

/** A table that says that it is Serializable is so for every writer. */
function isolationOf({ configuration }: Metadata, asked: Isolation = 'Serializable'): Isolation {
  return propertiesOf(configuration).isolationLevel ?? asked
}

function removeOf(file: AddFile, deletionTimestamp: number, dataChange: boolean): RemoveFile {
  return {
    path: file.path,
    deletionTimestamp,
    dataChange,
    extendedFileMetadata: true,
    partitionValues: file.partitionValues,
    size: file.size,
    ...(file.deletionVector !== undefined && { deletionVector: file.deletionVector }),
  }
}
