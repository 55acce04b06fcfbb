/**
 * The logs of attempts, for those who write and those who read.
 *
 * They are files of the machine that does the work, so that a line survives its process. If the store is shared by
 * machines, the files are copied to it piece by piece, a second after they were written at the latest; what a killed
 * process had not copied is copied by the next run on its machine.
 */
import { createReadStream } from 'node:fs'
import { open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '../../base/clock.ts'
import { messageOf, systemCode } from '../../base/errors.ts'
import { namesIn } from '../../base/files/folders.ts'
import type { IoOptions } from '../../base/io.ts'
import { type Logger, silentLogger } from '../../base/log.ts'
import type { AttemptLogs, AttemptPlace } from '../../dag/attempt-log.ts'
import { integer, type RunDatabase, read, transact } from '../database.ts'
import { createAttemptFiles, logFileOf } from './attempt-files.ts'

export interface LogBook {
  /** Where attempts write. */
  readonly attempts: AttemptLogs
  /** The bytes of a log from `fromByte` on; none if it has not begun. They end where the log ends now. */
  bytes(place: AttemptPlace, options?: IoOptions & { readonly fromByte?: number }): AsyncIterable<Uint8Array>
  /** Copies to the store what a killed process of this machine has not; nothing if no store is shared. */
  rescue(runId: number): Promise<void>
  /** Removes the logs of runs that ended before; the runs stay. @returns The runs. */
  removeBefore(endedMs: number, options?: IoOptions): Promise<readonly number[]>
}

export interface LogBookOptions {
  readonly directory: string
  /** Whether other machines use the store. */
  readonly isShared: boolean
  readonly secrets?: readonly string[]
  readonly clock?: Clock | undefined
  readonly logger?: Logger
}

const pieceBytes = 1 << 18
const copyEveryMs = 1_000

export function createLogBook(database: RunDatabase, options: LogBookOptions): LogBook {
  const { directory, isShared, clock = systemClock, logger = silentLogger, secrets = [] } = options
  const attempts = createAttemptFiles({
    directory,
    secrets,
    clock,
    logger,
    ...(isShared && { onWritten: (place) => new Copier(database, directory, place, { clock, logger }) }),
  })
  return {
    attempts,
    async *bytes(place, { fromByte = 0, signal } = {}) {
      const path = logFileOf(directory, place)
      const size = await sizeOf(path)
      if (size === undefined) {
        if (isShared) yield* copiedBytes(database, place, fromByte, { signal })
      } else if (size > fromByte) {
        yield* createReadStream(path, {
          start: fromByte,
          end: size - 1,
          highWaterMark: pieceBytes,
          ...(signal && { signal }),
        })
      }
    },
    async rescue(runId) {
      if (!isShared) return
      for (const name of await namesIn(join(directory, String(runId)))) {
        const parts = /^(?<node>.+)\.(?<attempt>\d+)\.ndjson$/.exec(name)?.groups
        if (parts === undefined) continue
        const place = {
          runId,
          node: decodeURIComponent(parts['node'] ?? ''),
          attempt: Number(parts['attempt']),
        }
        const copier = new Copier(database, directory, place, { clock, logger })
        await copier.continue()
        await copier.close()
      }
    },
    async removeBefore(endedMs, { signal } = {}) {
      const rows = await read(
        database,
        (db) => db.selectFrom('runs').select('id').where('ended_ms', '<', endedMs).execute(),
        { signal },
      )
      const ended = rows.map(({ id }) => integer(id))
      const names = new Set(await namesIn(directory))
      const found = ended.filter((id) => names.has(String(id)))
      for (const id of found) await rm(join(directory, String(id)), { recursive: true, force: true })
      if (isShared) await removeCopies(database, await copiedRuns(database, endedMs, { signal }), { signal })
      return found
    },
  }
}

/** Copies one file to the store as it grows. */
class Copier {
  readonly #database: RunDatabase
  readonly #path: string
  readonly #place: AttemptPlace
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #done = new AbortController()
  #copied = 0
  #written = 0
  #copying: Promise<void> | undefined

  constructor(
    database: RunDatabase,
    directory: string,
    place: AttemptPlace,
    { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#database = database
    this.#path = logFileOf(directory, place)
    this.#place = place
    this.#clock = clock
    this.#logger = logger
  }

  wrote(bytes: number): void {
    this.#written += bytes
    this.#copying ??= this.#copySoon()
  }

  /** Goes on where the copies in the store end. */
  async continue(): Promise<void> {
    this.#copied = await copiedEnd(this.#database, this.#place)
    this.#written = (await sizeOf(this.#path)) ?? 0
  }

  /** What cannot be copied now stays in the file, and is copied by nobody: that is told. */
  async close(): Promise<void> {
    this.#done.abort()
    await this.#copying
    try {
      await this.#copy()
    } catch (error) {
      this.#logger.warn(
        { path: this.#path, reason: messageOf(error) },
        'The end of a log is on this machine alone: it could not be copied to the run store',
      )
    }
  }

  async #copySoon(): Promise<void> {
    await this.#clock.sleep(copyEveryMs, { signal: this.#done.signal }).catch(() => undefined)
    // Best effort: the next copy, or the last one, has it too.
    await this.#copy().catch(() => undefined)
    this.#copying = undefined
  }

  async #copy(): Promise<void> {
    const file = await open(this.#path, 'r')
    try {
      while (this.#copied < this.#written) {
        const length = Math.min(pieceBytes, this.#written - this.#copied)
        const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, this.#copied)
        if (bytesRead === 0) return
        await keepPiece(this.#database, this.#place, this.#copied, buffer.subarray(0, bytesRead))
        this.#copied += bytesRead
      }
    } finally {
      await file.close()
    }
  }
}

async function keepPiece(
  database: RunDatabase,
  { runId, node, attempt }: AttemptPlace,
  firstByte: number,
  content: Buffer,
): Promise<void> {
  await transact(database, async (trx) => {
    const row = { run_id: runId, node, attempt, first_byte: firstByte, end_byte: firstByte + content.length }
    try {
      await trx
        .insertInto('log_pieces')
        .values({ ...row, content })
        .execute()
    } catch (error) {
      // The answer to the first try was lost.
      if (!database.isDuplicate(error)) throw error
    }
  })
}

async function copiedEnd(database: RunDatabase, { runId, node, attempt }: AttemptPlace): Promise<number> {
  const row = await read(database, (db) =>
    db
      .selectFrom('log_pieces')
      .select(({ fn }) => fn.max('end_byte').as('end'))
      .where('run_id', '=', runId)
      .where('node', '=', node)
      .where('attempt', '=', attempt)
      .executeTakeFirst(),
  )
  return row === undefined || row.end === null ? 0 : integer(row.end)
}

/** One piece at a time is held. */
async function* copiedBytes(
  database: RunDatabase,
  { runId, node, attempt }: AttemptPlace,
  fromByte: number,
  { signal }: IoOptions,
): AsyncIterable<Uint8Array> {
  for (let from = fromByte; ; ) {
    const at = from
    const piece = await read(
      database,
      (db) =>
        db
          .selectFrom('log_pieces')
          .select(['first_byte', 'end_byte', 'content'])
          .where('run_id', '=', runId)
          .where('node', '=', node)
          .where('attempt', '=', attempt)
          .where('end_byte', '>', at)
          .orderBy('first_byte')
          .limit(1)
          .executeTakeFirst(),
      { signal },
    )
    if (piece === undefined) return
    yield piece.content.subarray(Math.max(0, at - integer(piece.first_byte)))
    from = integer(piece.end_byte)
  }
}

/** Runs that ended before, and have copies of their logs in the store. */
async function copiedRuns(
  database: RunDatabase,
  endedMs: number,
  options: IoOptions,
): Promise<readonly number[]> {
  const rows = await read(
    database,
    (db) =>
      db
        .selectFrom('log_pieces')
        .innerJoin('runs', 'runs.id', 'log_pieces.run_id')
        .select('runs.id')
        .distinct()
        .where('runs.ended_ms', '<', endedMs)
        .execute(),
    options,
  )
  return rows.map(({ id }) => integer(id))
}

async function removeCopies(
  database: RunDatabase,
  ids: readonly number[],
  options: IoOptions,
): Promise<void> {
  for (const id of ids) {
    await transact(
      database,
      (trx) => trx.deleteFrom('log_pieces').where('run_id', '=', id).execute(),
      options,
    )
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}
