/**
 * The truth about what was sent: counted from the producer's own events, never parsed back from bytes, and only
 * for what the log has acknowledged. `sent` = `valid` + `duplicates` + `malformed`.
 */
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LakeError, messageOf } from '../../lib/base/errors.ts'
import { replaceFile } from '../../lib/base/files/replace-file.ts'
import type { Delivery } from './generate.ts'

/** What the ledger file holds, as JSON. */
export interface LedgerFile {
  readonly sent: number
  /** Distinct valid events. */
  readonly valid: number
  readonly duplicates: number
  /** What will be rejected or quarantined. */
  readonly malformed: number
  readonly counts: readonly LedgerCount[]
  readonly days: readonly LedgerDay[]
}

/** Valid messages of one minute, by the time of their events. */
export interface LedgerCount {
  readonly minute: string
  readonly event_type: string
  readonly source: string
  readonly page: string
  /** Distinct ones. */
  readonly events: number
  /** All that were sent. */
  readonly deliveries: number
}

export interface LedgerDay {
  readonly event_date: string
  /** Distinct users with an event, and with a purchase. */
  readonly users: number
  readonly purchasers: number
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

interface Day {
  readonly users: Set<number>
  readonly purchasers: Set<number>
}

export class Ledger {
  readonly #totals = { valid: 0, duplicate: 0, malformed: 0 }
  readonly #counts = new Map<string, Mutable<LedgerCount>>()
  readonly #days = new Map<string, Day>()

  get sent(): number {
    return this.#totals.valid + this.#totals.duplicate + this.#totals.malformed
  }

  /** Counts a message that was acknowledged; a duplicate only after the event that it repeats. */
  add(delivery: Delivery): void {
    const { kind } = delivery
    this.#totals[kind]++
    if (delivery.kind === 'malformed') return
    const { timestamp, event_type, source, page, user_id } = delivery.event
    const minute = `${timestamp.slice(0, 16)}:00Z`
    const key = [minute, event_type, source, page].join(' ')
    const count = this.#counts.get(key) ?? { minute, event_type, source, page, events: 0, deliveries: 0 }
    this.#counts.set(key, count)
    count.deliveries++
    if (kind === 'valid') count.events++
    const date = timestamp.slice(0, 10)
    const day = this.#days.get(date) ?? { users: new Set(), purchasers: new Set() }
    this.#days.set(date, day)
    day.users.add(user_id)
    if (event_type === 'purchase') day.purchasers.add(user_id)
  }

  toFile(): LedgerFile {
    const { valid, duplicate, malformed } = this.#totals
    return {
      sent: this.sent,
      valid,
      duplicates: duplicate,
      malformed,
      counts: [...this.#counts].sort(byKey).map(([, count]) => count),
      days: [...this.#days].sort(byKey).map(([event_date, { users, purchasers }]) => ({
        event_date,
        users: users.size,
        purchasers: purchasers.size,
      })),
    }
  }
}

/**
 * Fails before the first message where the ledger could not be written after the last one.
 *
 * @throws LakeError `FILE_UNWRITABLE`.
 */
export async function checkLedgerPath(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK)
    const there = await stat(path).catch(() => undefined)
    if (there?.isDirectory() === true) throw new Error('it is a folder')
  } catch (error) {
    throw new LakeError('FILE_UNWRITABLE', `ledger ${path}: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * Replaces the file in one step: a reader sees the old one or the new one.
 *
 * @throws LakeError `FILE_UNWRITABLE`, `DISK_FULL`.
 */
export async function writeLedger(path: string, ledger: LedgerFile): Promise<void> {
  await replaceFile(path, `${JSON.stringify(ledger)}\n`, { what: 'ledger' })
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
