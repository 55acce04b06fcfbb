/** One version of a table, as it was: protocol, metadata, schema, files, transactions. Never changes. */

import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { DuckDb } from '../../duckdb/duckdb.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { Action, AddFile } from '../log/actions.ts'
import { readCheckpoint } from '../log/checkpoint-reader.ts'
import { type CommitRef, commitIdOf, NewestLogFile, readCommitRef } from '../log/commit-id.ts'
import { commitsBackFrom, type TableCommit } from '../log/history.ts'
import { commitKey, type Version, version } from '../log/log-path.ts'
import { type LogSegment, readLogSegment } from '../log/log-segment.ts'
import { readCommitFile, readCommitFileIfThere, readInCommitTimestamp } from '../log/read-commit.ts'
import { columnMappingMode } from '../protocol/mapping.ts'
import type { Metadata, Protocol } from '../protocol/metadata.ts'
import { propertiesOf, type TableProperties } from '../protocol/properties.ts'
import { hasInCommitTimestamps, requireReadable } from '../protocol/protocol.ts'
import { withoutMapping } from '../schema/column-mapping.ts'
import { findNamed } from '../schema/names.ts'
import { decodeSchema, type Field, type StructType } from '../schema/schema.ts'
import { requireKnownTypeChanges } from '../schema/type-widening.ts'
import { boundsOf, type FileBounds } from './bounds.ts'
import { type ChangedPartitions, changedPartitions, partitionsChangedBy } from './changed-partitions.ts'
import { partitionValueOf } from './partition-value.ts'
import { TableState } from './replay.ts'
import { recordsIn } from './statistics.ts'

export class Snapshot {
  readonly version: Version
  readonly protocol: Protocol
  readonly metadata: Metadata
  readonly properties: TableProperties
  readonly schema: StructType
  /** How files name their columns. */
  readonly columnMapping: 'none' | 'name' | 'id'
  /** In the words of the schema. */
  readonly partitionColumns: readonly string[]
  #files: readonly AddFile[] | undefined
  /** What the log says of this version. Private to this folder. */
  readonly state: TableState

  /** Where the table lies. Private to this library. */
  readonly store: ObjectStore
  /** What tells that the log still has this version. Private to this library. */
  readonly readFrom: NewestLogFile

  constructor(of: Version, state: TableState, { store, readFrom }: Pick<Snapshot, 'store' | 'readFrom'>) {
    const { uri } = store
    const { protocol, metadata } = state
    if (protocol === undefined || metadata === undefined) {
      throw new LakeError('LOG_CORRUPT', `${uri}: version ${of} has no protocol or no metadata`, {
        details: { uri, version: of },
      })
    }
    requireReadable(protocol, metadata, uri)
    this.version = of
    this.protocol = protocol
    this.metadata = metadata
    this.properties = propertiesOf(metadata.configuration)
    this.columnMapping = columnMappingMode(protocol, metadata)
    const schema = decodeSchema(metadata.schemaString)
    this.schema = this.columnMapping === 'none' ? withoutMapping(schema) : schema
    requireKnownTypeChanges(this.schema, uri)
    this.partitionColumns = metadata.partitionColumns.map((column) => columnNamed(this.schema, column, uri))
    this.state = state
    this.store = store
    this.readFrom = readFrom
  }

  get uri(): string {
    return this.store.uri
  }

  get files(): readonly AddFile[] {
    this.#files ??= this.state.files.values()
    return this.#files
  }

  get sizeBytes(): number {
    return this.files.reduce((sum, file) => sum + file.size, 0)
  }

  /** Rows by the files' statistics; `undefined` where a file has none. */
  get numRecords(): number | undefined {
    return recordsIn(this.files)
  }

  /** Between which values of a column the rows of each file lie. @throws LakeError `COLUMN_MISSING`. */
  bounds(column: string, files: readonly AddFile[] = this.files): readonly FileBounds[] {
    return boundsOf(files, this.#field(column))
  }

  /** The value that the log has of a partition column for a file. @throws LakeError `COLUMN_MISSING`. */
  partitionValue(column: string): (file: AddFile) => string | null {
    return partitionValueOf(this.#field(column))
  }

  /** The commits that led to this version, newest first, as far as they are still in the log. */
  commits(options: IoOptions = {}): AsyncIterable<TableCommit> {
    return commitsBackFrom(this.store, this.version, options)
  }

  /** The commit of this version, or of another of the table; `undefined` if it is not in the log. */
  commitRef({
    version: of = this.version,
    signal,
  }: IoOptions & { readonly version?: number } = {}): Promise<CommitRef | undefined> {
    return readCommitRef(this.store, of, { signal })
  }

  /**
   * Of which partitions the commits after `since`, up to this version, have changed rows; they are known by the
   * values of `column`, if the table is partitioned by it.
   */
  async changedPartitions(
    column: string,
    { since, signal }: IoOptions & { readonly since: number },
  ): Promise<ChangedPartitions> {
    const range = { from: since + 1, to: this.version, signal }
    return changedPartitions(this.store, this.#partitionField(column), range)
  }

  /** As `changedPartitions`, of one commit of the table. */
  partitionsChangedBy({ actions }: TableCommit, column: string): ChangedPartitions {
    return partitionsChangedBy(actions, this.#partitionField(column))
  }

  #partitionField(column: string): Field | undefined {
    return this.partitionColumns.includes(column) ? this.#field(column) : undefined
  }

  #field(column: string): Field {
    const found = findNamed(this.schema.fields, column)
    if (found !== undefined) return found
    throw new LakeError('COLUMN_MISSING', `${this.store.uri}: no column ${column}`, {
      details: { uri: this.store.uri, column },
    })
  }

  /** What application `appId` has written last, or `undefined`. */
  transactionVersion(appId: string): number | undefined {
    return this.state.transactions.get(appId)?.version
  }

  get transactions(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      [...this.state.transactions.values()].map((transaction) => [transaction.appId, transaction.version]),
    )
  }
}

/** Names differ in case between writers: the schema's is the one. */
function columnNamed(schema: StructType, name: string, uri: string): string {
  const found = findNamed(schema.fields, name)
  if (found !== undefined) return found.name
  throw new LakeError('LOG_CORRUPT', `${uri}: partition column ${name} is not in the schema`, {
    details: { uri, column: name },
  })
}

export interface SnapshotOptions extends IoOptions {
  /** The newest without it. */
  readonly version?: number | undefined
  /** Called with the checkpoint files that could not be read, if the version was read without them. */
  readonly onBrokenCheckpoint?: (keys: readonly string[], error: unknown) => void
}

/** Commits are read so many at a time. */
const readAhead = 32

/**
 * Reads a version from the log. Where a checkpoint cannot be read, and the log is whole without it, that is read.
 *
 * @throws LakeError as `readLogSegment` and `requireReadable` do, and `LOG_CORRUPT` for a checkpoint that cannot be
 * read where the log needs it.
 */
export async function readSnapshot(
  store: ObjectStore,
  duckdb: DuckDb,
  { version: wanted, onBrokenCheckpoint, signal }: SnapshotOptions = {},
): Promise<Snapshot> {
  const upTo = wanted === undefined ? undefined : version(wanted)
  const range = { ...(upTo !== undefined && { upTo }), signal }
  let segment = await readLogSegment(store, range)
  const broken: string[] = []
  for (let first: unknown; ; ) {
    try {
      const { state, id } = await readSegment(store, duckdb, segment, { signal })
      if (broken.length > 0) onBrokenCheckpoint?.(broken, causeOf(first))
      const { key, revision } = segment.newest
      return new Snapshot(segment.version, state, {
        store,
        readFrom: new NewestLogFile(key, { revision, id }),
      })
    } catch (error) {
      first ??= error
      signal?.throwIfAborted()
      if (!(error instanceof BrokenCheckpoint)) throw error
      broken.push(...error.keys)
    }
    const { version: reached } = segment
    const other = await readLogSegment(store, { ...range, without: broken }).catch(() => undefined)
    if (other?.version !== reached) throw causeOf(first)
    segment = other
  }
}

/** A checkpoint that cannot be read; its `cause` says why. */
class BrokenCheckpoint extends Error {
  readonly keys: readonly string[]

  constructor(keys: readonly string[], cause: unknown) {
    super('', { cause })
    this.keys = keys
  }
}

const causeOf = (error: unknown): unknown => (error instanceof BrokenCheckpoint ? error.cause : error)

async function readSegment(
  store: ObjectStore,
  duckdb: DuckDb,
  { checkpoint, commits }: LogSegment,
  { signal }: IoOptions,
): Promise<{ readonly state: TableState; readonly id: string | undefined }> {
  const state = new TableState()
  let newest: Uint8Array | undefined
  if (checkpoint !== undefined) {
    try {
      for await (const part of readCheckpoint(store, duckdb, checkpoint.keys, { signal })) state.load(part)
    } catch (error) {
      throw new BrokenCheckpoint(checkpoint.keys, error)
    }
    if (commits.length === 0 && hasInCommitTimestamps(state.metadata)) {
      state.inCommitTimestampMs = await readInCommitTimestamp(store, checkpoint.version, { signal })
    }
  }
  for (let from = 0; from < commits.length; from += readAhead) {
    const some = commits.slice(from, from + readAhead)
    const read = await Promise.all(some.map((commit) => readCommitFile(store, commit.version, { signal })))
    for (const { actions } of read) state.apply(actions)
    newest = read.at(-1)?.bytes
  }
  return { state, id: newest && commitIdOf(newest) }
}

/**
 * The newest version, made from an older one by reading what came since.
 *
 * @returns `undefined` where the log no longer has the older one: what came since did not come after it.
 */
export async function advanceSnapshot(
  store: ObjectStore,
  from: Snapshot,
  { signal }: IoOptions = {},
): Promise<Snapshot | undefined> {
  let state: TableState | undefined
  let reached = from.version
  let newest: Uint8Array | undefined
  let isThere = false
  for (;;) {
    const next = version(reached + 1)
    const reading = readCommitFileIfThere(store, next, { signal })
    const [found, there] = await Promise.all([reading, isThere || from.readFrom.isThere(store, { signal })])
    if (!there) return undefined
    isThere = true
    if (found === undefined) break
    state ??= from.state.copy()
    state.apply(found.actions)
    newest = found.bytes
    reached = next
  }
  if (state === undefined || newest === undefined) return from
  // Asked again: what was read may have come with a copy that was put in the table's place meanwhile.
  if (!(await from.readFrom.isThere(store, { signal }))) return undefined
  return new Snapshot(reached, state, { store, readFrom: commitFile(reached, commitIdOf(newest)) })
}

/** The version after `from`, which `actions` have made in a commit of this id. */
export function nextSnapshot(from: Snapshot, actions: readonly Action[], id: string): Snapshot {
  const state = from.state.copy()
  state.apply(actions)
  const of = version(from.version + 1)
  return new Snapshot(of, state, { store: from.store, readFrom: commitFile(of, id) })
}

const commitFile = (of: Version, id: string): NewestLogFile => new NewestLogFile(commitKey(of), { id })
