/**
 * The folder of a SQLite log: its identity, its segments, and the steps that make and drop them whole.
 *
 *   log.json             cluster id and number of partitions with their checksum, made once by link(2)
 *   segments/0000000000  a segment each; made under another name and renamed, dropped by renaming it away
 *   groups/              a lock and the acknowledged positions of each consumer group
 *
 * A segment counts when it ends an unbroken row of numbers and its predecessor, where it has one, is sealed.
 */
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import { LakeError, messageOf, systemCode } from '../../base/errors.ts'
import { makeFolders } from '../../base/files/folders.ts'
import { parseJson } from '../../base/json.ts'
import { type PartitionEnd, segmentFile, writeEmptySegment } from './segment.sqlite.ts'

/** The version of folder and segments that this release writes, and the newest that it reads. */
const logVersion = 1

/** Strict: if a bit of the name `checksum` is flipped, the file must not pass for one of a version without it. */
const identitySchema = z.strictObject({
  version: z.literal(logVersion),
  clusterId: z.string().min(1),
  partitions: z.number().int().positive(),
  checksum: z.string().optional(),
})

const newerSchema = z.looseObject({ version: z.number().int().gt(logVersion) })

/** The identity of a log. It never changes. */
export interface LogIdentity {
  readonly clusterId: string
  readonly partitions: number
}

const abandonedMs = 3_600_000
const unfinished = 'making-'
const dropped = 'dropped-'

export class SegmentFolder {
  readonly path: string
  readonly #segments: string

  constructor(path: string) {
    this.path = path
    this.#segments = join(path, 'segments')
  }

  /**
   * Creates the log if it is missing, and returns its identity. Many processes may do so at once, and any of them
   * may be killed on the way: all get the same identity.
   */
  async establish({
    partitions,
    nowMs,
  }: {
    readonly partitions: number
    readonly nowMs: number
  }): Promise<LogIdentity> {
    await makeOwnFolders(this.#segments)
    await makeOwnFolders(join(this.path, 'groups'))
    const identityPath = join(this.path, 'log.json')
    // Asked in this order: segments are made after the identity.
    const hasSegments = this.numbers().length > 0
    if (!existsSync(identityPath)) {
      if (hasSegments) {
        throw new LakeError('LOG_CORRUPT', `${identityPath}: missing, though there are messages`, {
          details: { fault: 'event-log-damaged', folder: this.path },
        })
      }
      const draft = join(this.path, `${unfinished}${randomUUID()}`)
      writeDurably(draft, identityText({ clusterId: randomUUID(), partitions }))
      try {
        linkSync(draft, identityPath)
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error
      } finally {
        rmSync(draft, { force: true })
      }
      syncFolder(this.path)
    }
    const identity = readIdentity(identityPath)
    if (this.numbers().length === 0) {
      const bases = Array.from({ length: identity.partitions }, () => ({ next: 0n, lastMs: 0 }))
      this.create(0, { createdMs: nowMs, bases })
    }
    return identity
  }

  /** The newest unbroken row of segment numbers, ascending. */
  numbers(): number[] {
    const all = readdirSync(this.#segments)
      .filter((name) => /^\d{10}$/.test(name))
      .map(Number)
      .sort((a, b) => b - a)
    const gap = all.findIndex((number, index) => index > 0 && number !== Number(all[index - 1]) - 1)
    return (gap < 0 ? all : all.slice(0, gap)).reverse()
  }

  has(number: number): boolean {
    return existsSync(this.fileOf(number))
  }

  fileOf(number: number): string {
    return join(this.folderOf(number), segmentFile)
  }

  folderOf(number: number): string {
    return join(this.#segments, String(number).padStart(10, '0'))
  }

  /**
   * Makes a segment, whole and durable, in place of one that a killed process left under the number. For a
   * number above 0 only with the right to write the segment before it, which must not be sealed yet.
   */
  create(
    number: number,
    content: { readonly createdMs: number; readonly bases: readonly PartitionEnd[] },
  ): void {
    const draft = join(this.#segments, `${unfinished}${randomUUID()}`)
    mkdirSync(draft)
    writeEmptySegment(draft, content)
    syncFolder(draft)
    if (number > 0) this.drop(number)
    try {
      renameSync(draft, this.folderOf(number))
    } catch (error) {
      const isTaken = ['ENOTEMPTY', 'EEXIST'].includes(systemCode(error) ?? '')
      if (!isTaken || number > 0) throw error
      rmSync(draft, { recursive: true, force: true })
    }
    syncFolder(this.#segments)
  }

  /** Takes a segment out of the log as a whole. Who still has it open reads on. */
  drop(number: number): void {
    const away = join(this.#segments, `${dropped}${randomUUID()}`)
    try {
      renameSync(this.folderOf(number), away)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return
      throw error
    }
    syncFolder(this.#segments)
    rmSync(away, { recursive: true, force: true })
  }

  /** Removes what killed processes left. */
  sweep(nowMs: number): void {
    for (const folder of [this.path, this.#segments, join(this.path, 'groups')])
      for (const name of readdirSync(folder)) {
        const path = join(folder, name)
        const isAbandoned =
          name.startsWith(unfinished) &&
          nowMs - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? nowMs) > abandonedMs
        if (isAbandoned || name.startsWith(dropped)) rmSync(path, { recursive: true, force: true })
      }
  }

  lockOf(group: string): string {
    return join(this.path, 'groups', `${encodeURIComponent(group)}.lock`)
  }

  /** Best effort, as telemetry is: what was there before stays when it fails. */
  writeAcknowledged(group: string, positions: ReadonlyMap<number, bigint>): void {
    const path = join(this.path, 'groups', `${encodeURIComponent(group)}.json`)
    const draft = join(this.path, 'groups', `${unfinished}${randomUUID()}`)
    try {
      writeDurably(draft, JSON.stringify(Object.fromEntries([...positions].map(([p, o]) => [p, String(o)]))))
      renameSync(draft, path)
    } finally {
      rmSync(draft, { force: true })
    }
  }
}

function identityText({ clusterId, partitions }: LogIdentity): string {
  const identity = { version: logVersion, clusterId, partitions }
  return JSON.stringify({ ...identity, checksum: checksumOf(identity) })
}

function checksumOf({ clusterId, partitions }: LogIdentity): string {
  return crc32(`${clusterId}/${partitions}`).toString(16).padStart(8, '0')
}

function readIdentity(path: string): LogIdentity {
  const stored = parsedIdentity(path)
  const newer = newerSchema.safeParse(stored)
  if (newer.success) {
    const { version } = newer.data
    throw new LakeError(
      'CONFIG_INVALID',
      `${path}: expected a log of version ${logVersion}, got ${version}`,
      {
        details: { fault: 'newer-event-log', folder: dirname(path) },
      },
    )
  }
  const { data: identity, error } = identitySchema.safeParse(stored)
  if (identity === undefined) throw notAnIdentity(path, error)
  // Logs of a version that wrote no checksum stay readable.
  if (identity.checksum !== undefined && identity.checksum !== checksumOf(identity)) {
    throw new LakeError('LOG_CORRUPT', `${path}: its content is not what was written`, {
      details: { fault: 'event-log-damaged', folder: dirname(path) },
    })
  }
  return identity
}

function parsedIdentity(path: string): unknown {
  const bytes = readFileSync(path, 'utf8')
  try {
    return parseJson(bytes, path)
  } catch (cause) {
    throw notAnIdentity(path, cause)
  }
}

const notAnIdentity = (path: string, cause: unknown): LakeError =>
  new LakeError('CONFIG_INVALID', `${path}: expected the identity of an event log`, {
    cause,
    details: { fault: 'event-log-damaged', folder: dirname(path) },
  })

async function makeOwnFolders(path: string): Promise<void> {
  try {
    await makeFolders(path)
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw error
    throw new LakeError('FILE_UNWRITABLE', `make ${path}: ${messageOf(error)}`, { cause: error })
  }
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'w')
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
