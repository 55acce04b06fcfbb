/**
 * Port: a SELECT over pinned table versions → Parquet files that nobody sees yet.
 *
 * The engine computes and writes below the table's root; checks and the commit are the library's, so that
 * publication is the same whatever the engine.
 */

import type { IoOptions } from '../base/io.ts'
import type { AddFile, DeltaTable, Snapshot, StagedFiles } from '../delta/index.ts'

export interface ComputeInput {
  /** The SELECT knows the input by this name. */
  readonly name: string
  readonly table: DeltaTable
  readonly snapshot: Snapshot
  /** A part of the snapshot's files; all of them without it. */
  readonly files?: readonly AddFile[]
}

/** Rows of one part of the data after the other, so that memory follows the largest part. */
export interface RowsInParts {
  /** The SELECT of the request knows the rows of all parts by this name. */
  readonly name: string
  /** Computed of the inputs of each part by themselves. */
  readonly select: string
  /** At least one. */
  readonly parts: readonly (readonly ComputeInput[])[]
}

export interface ComputeRequest {
  readonly inputs: readonly ComputeInput[]
  readonly inParts?: RowsInParts
  /** In the dialect that DuckDB and Spark share. Its columns are those of the target, by name; one that it lacks is null. */
  readonly select: string
  /** A SELECT whose rows are written along, matched by name too. */
  readonly further?: string
  /** Columns that the rows are written in the order of. */
  readonly orderBy?: readonly string[]
  readonly target: DeltaTable
  readonly targetSnapshot: Snapshot
}

export interface Compute {
  /** For messages: `duckdb`, `spark at sc://host:port`. */
  readonly engine: string
  /**
   * How much input it takes at once, which needs no more memory here: bytes of files, and partitions of them. As little
   * as the caller likes without it.
   */
  readonly atOnce?: { readonly bytes: number; readonly partitions: number }
  /**
   * @throws LakeError `SQL_INVALID`, `SCHEMA_MISMATCH`, `DISK_FULL`, and `ENGINE_UNAVAILABLE`, `ENGINE_REFUSED`,
   * `ENGINE_OUT_OF_MEMORY` or `ENGINE_FAILED` where the engine is another process; `PROTOCOL_UNSUPPORTED` for a table
   * that it cannot read, or write, without loss. Nothing is left behind then that anyone sees.
   */
  stage(request: ComputeRequest, options?: IoOptions): Promise<StagedFiles>
  /** Asked of the engine itself. @throws LakeError as `stage` does. */
  version(options?: IoOptions): Promise<string>
  [Symbol.asyncDispose]?(): PromiseLike<void>
}
