/** An identity as the ledger keeps it: with what tells whether it must be looked at again. */
import { z } from 'zod'
import type { JsonValue } from '../../../lib/base/json.ts'
import type { LedgerEntry } from '../../../lib/runs/ledger-book.ts'
import type { Identity } from '../books.ts'
import type { OffsetSums } from './offset-sums.ts'
import type { RowsDigest } from './silver-digests.ts'

/** How far a partition was read, and of which topic. */
export type ReadPlace = readonly [topic: string, partition: number, next: bigint]

/** Offsets that stand in no table, and rightly so: they hold no message, or were accepted as lost. */
export interface Absent {
  readonly topic: string
  readonly clusterId: string
  /** How far the partition had been landed when they were found. */
  readonly next: bigint
  readonly sums: OffsetSums
}

/** Offsets of the rows of one partition. */
export interface PartitionSums {
  readonly topic: string
  readonly partition: number
  readonly first: bigint
  readonly last: bigint
  readonly sums: OffsetSums
}

/** Offsets of the rows of a day of bronze, as long as its files have this mark. */
export interface DaySums {
  readonly mark: string
  readonly sums: readonly PartitionSums[]
}

export interface AuditedIdentity extends Identity {
  /** Of what was read: files, rows and rules. The identity holds as long as it stays the same. */
  readonly mark?: string
  /** Of a day of bronze, up to the cut: what a later audit must find again. */
  readonly bronze?: RowsDigest & { readonly engine: string; readonly read: readonly ReadPlace[] }
  /** Of a day of bronze, as it was landed. */
  readonly landed?: DaySums
  readonly absent?: Absent
  /** What was found, if the problem's words and places do not tell it from another. */
  readonly evidence?: string
  /** Why the problem was taken for right. */
  readonly accepted?: string
}

/** As people are told of it: without what a later audit compares with. */
export function toldIdentity(identity: AuditedIdentity): Identity & Pick<AuditedIdentity, 'accepted'> {
  const {
    mark: _mark,
    bronze: _bronze,
    landed: _landed,
    absent: _absent,
    evidence: _evidence,
    ...told
  } = identity
  return told
}

const whole = z.union([z.number(), z.bigint()]).transform(BigInt)
/** A number that may be larger than one of JSON can be. */
const digits = z.string().transform(BigInt)
const offsetSums = z.object({ count: digits, total: digits, squares: digits })
const place = z.object({ partition: z.number(), offset: whole })
const stored = z.object({
  name: z.string(),
  table: z.string(),
  date: z.string().optional(),
  partition: z.number().optional(),
  left: whole,
  right: whole,
  problem: z.string().optional(),
  places: z.array(place).optional(),
  mark: z.string().optional(),
  bronze: z
    .object({
      rows: whole,
      digest: z.string(),
      engine: z.string(),
      read: z.array(z.tuple([z.string(), z.number(), whole])),
    })
    .optional(),
  absent: z
    .object({
      topic: z.string(),
      clusterId: z.string(),
      next: whole,
      sums: offsetSums,
    })
    .optional(),
  landed: z
    .object({
      mark: z.string(),
      sums: z.array(
        z.object({ topic: z.string(), partition: z.number(), first: whole, last: whole, sums: offsetSums }),
      ),
    })
    .optional(),
  evidence: z.string().optional(),
  accepted: z.string().optional(),
})

/** Under which name the ledger keeps an identity. */
export function subjectOf({ name, table, date, partition }: Identity): string {
  const of = date ?? (partition === undefined ? '' : `partition ${partition}`)
  return `${name} · ${table} ${of}`.trim()
}

export function contentOf({ rows: _, absent, landed, ...identity }: AuditedIdentity): JsonValue {
  const content = {
    ...identity,
    ...(absent && { absent: { ...absent, sums: textsOf(absent.sums) } }),
    ...(landed && {
      landed: { ...landed, sums: landed.sums.map((each) => ({ ...each, sums: textsOf(each.sums) })) },
    }),
  }
  return JSON.parse(JSON.stringify(content, bigintsAsNumbers)) as JsonValue
}

function textsOf({ count, total, squares }: OffsetSums): Readonly<Record<keyof OffsetSums, string>> {
  return { count: String(count), total: String(total), squares: String(squares) }
}

/** Counts and offsets of a log stay far below 2^53. */
function bigintsAsNumbers(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

/** @throws ZodError never for an entry whose hash holds. */
export function identityIn({ content }: LedgerEntry): AuditedIdentity {
  const { date, partition, problem, places, mark, bronze, landed, absent, evidence, accepted, ...rest } =
    stored.parse(content)
  return {
    ...rest,
    ...(date !== undefined && { date }),
    ...(partition !== undefined && { partition }),
    ...(problem !== undefined && { problem }),
    ...(places !== undefined && { places }),
    ...(mark !== undefined && { mark }),
    ...(bronze !== undefined && { bronze }),
    ...(landed !== undefined && { landed }),
    ...(absent !== undefined && { absent }),
    ...(evidence !== undefined && { evidence }),
    ...(accepted !== undefined && { accepted }),
  }
}
