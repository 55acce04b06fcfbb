/** The books as a cell asks for them. Types alone, and none of a library; see `lake.ts`. */
import type { TableName } from './rows.ts'

/** Where a message stood in the log. */
export interface MessagePlace {
  readonly partition: number
  readonly offset: number
}

type PlainRow = Readonly<Record<string, unknown>>

/** Two counts that must be equal, of one table, and where it applies of one UTC day or one partition of the log. */
export interface LedgerIdentity {
  /** The equation in words: `log = bronze + rejected`. */
  readonly name: string
  readonly table: string
  readonly date?: string
  readonly partition?: number
  readonly left: number
  readonly right: number
  /** What is wrong, in words; absent if the two sides agree. */
  readonly problem?: string
  /** Why a problem was taken for right. */
  readonly accepted?: string
  /** The first messages at fault. */
  readonly places?: readonly MessagePlace[]
  /** The first rows at fault, as both sides have them. */
  readonly rows?: readonly PlainRow[]
}

export interface Ledger {
  readonly balanced: boolean
  readonly identities: readonly LedgerIdentity[]
}

/** A window in which speed layer and batch differ; the classes are those of docs/books.md. */
export interface WindowDifference {
  readonly table: string
  /** When the window begins: `2026-01-31T12:30:00Z`. */
  readonly window: string
  /** The event type or source; null for a table that has neither. */
  readonly dimension: string | null
  readonly realtime: number
  readonly batch: number
  readonly late: number
  readonly duplicate: number
  readonly skipped: number
  readonly quarantined: number
  readonly unexplained: number
  /** The first messages of each class. */
  readonly rows: readonly PlainRow[]
}

export interface Reconciliation {
  /** Nothing is unexplained that was not accepted. */
  readonly balanced: boolean
  /** Partition → the offset up to which both layers are compared. */
  readonly cut: Readonly<Record<string, number>>
  readonly differences: readonly WindowDifference[]
}

export interface Explanation {
  readonly table: string
  readonly date: string
  readonly version: number
  readonly release?: number
  readonly run?: number
  /** The rows of the day; with `where`, what they would be of those events alone. */
  readonly values: readonly PlainRow[]
  readonly inputs: readonly {
    readonly table: string
    readonly version: number
    readonly files: readonly string[]
    readonly rows: number
  }[]
  /** Between which offsets of each partition the rows lie; `to` is one past the last. */
  readonly offsets: readonly {
    readonly partition: number
    readonly from: number
    readonly to: number
    readonly rows: number
  }[]
}

export interface MessageTrace extends MessagePlace {
  readonly topic: string
  readonly steps: readonly {
    readonly stage: string
    readonly state: string
    readonly at?: string
    readonly details: PlainRow
  }[]
}

export interface Books {
  /** Whether every event is accounted for. What is found is recorded; days that balanced are not read again. */
  ledger(options?: { readonly full?: boolean }): Promise<Ledger>
  /** Speed layer against batch, at equal offsets; all days without `date`. What is found is recorded. */
  reconcile(options?: { readonly date?: string }): Promise<Reconciliation>
  /** Where the numbers of a day come from. `where` is a condition over `silver/events`: `user_id = 7`. */
  explain(
    table: Extract<TableName, `gold/${string}`> | 'silver/events',
    date: string,
    options?: { readonly where?: string; readonly version?: number },
  ): Promise<Explanation>
  /** The way of one message, from the log to the numbers. */
  trace(partition: number, offset: number): Promise<MessageTrace>
}
