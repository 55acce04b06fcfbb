/** What the run store keeps of a candidate, and how people are told of it: for that, no table is opened. */
import { z } from 'zod'
import type { JsonValue } from '../../lib/base/json.ts'
import type { Candidate } from '../../lib/runs/candidate-book.ts'

/** A check that a candidate has broken. */
export interface BrokenCheck {
  readonly check: string
  /** UTC day; null if the check is of the table as a whole. */
  readonly date: string | null
  readonly violations: number
}

const refusingGate = z.object({ gate: z.string(), run: z.number(), refusal: z.string() })
/** A gate that has refused a candidate, and the run that says all of it. */
export type RefusingGate = z.infer<typeof refusingGate>

const content = z.object({
  task: z.string(),
  days: z.array(z.string()),
  checks: z.array(z.object({ check: z.string(), date: z.string().nullable(), violations: z.number() })),
  /** Absent in what versions without gates have kept. */
  gates: z.array(refusingGate).default([]),
  version: z.custom<JsonValue>(),
})
export type CandidateContent = z.infer<typeof content>

export function contentOf({ content: kept }: Candidate): CandidateContent {
  return content.parse(kept)
}

export interface CandidateSummary {
  readonly run: number
  readonly table: string
  /** Rows that were refused, with those that share a file with them. */
  readonly rows: number
  /** ISO time in UTC. */
  readonly refusedAt: string
  /** ISO time in UTC; null as long as its rows can be read. */
  readonly vacuumedAt: string | null
  readonly checks: readonly BrokenCheck[]
  readonly gates: readonly RefusingGate[]
}

export function summaryOf(candidate: Candidate): CandidateSummary {
  const { runId, table, rows, refusedMs, vacuumedMs } = candidate
  const { checks, gates } = contentOf(candidate)
  return {
    run: runId,
    table,
    rows,
    refusedAt: new Date(refusedMs).toISOString(),
    vacuumedAt: vacuumedMs === undefined ? null : new Date(vacuumedMs).toISOString(),
    checks,
    gates,
  }
}
