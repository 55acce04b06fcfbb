/**
 * A route of the REST API as one object: parameters, answer, failures and handler.
 *
 * Fastify serves the list of routes, and `openapi.json` is generated from the same list.
 */
import type { z } from 'zod'
import type { Clock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { Cron } from '../../lib/schedule/cron.ts'
import type { Progress } from '../../pipeline/platform/progress.ts'
import type { Problem, RunAnswer, StageTrouble, StoppedStage, TableSummary } from '../answers.ts'
import type { OverviewReader } from '../overview.ts'
import type { HintOf } from '../problem.ts'
import type { Books } from '../readings/books.ts'
import type { RunReader } from '../readings/runs.ts'
import type { Reading, SharedReading } from '../readings/shared-reading.ts'

/** What routes answer from. */
export interface Sources {
  readonly overview: OverviewReader
  readonly clickhouse: Pick<ClickHouse, 'query'>
  readonly ping: SharedReading<void>
  readonly tables: SharedReading<readonly TableSummary[]>
  readonly newestRuns: SharedReading<readonly RunAnswer[]>
  readonly runs: RunReader
  readonly books: SharedReading<Books>
  readonly schedule: Cron | undefined
  readonly clock: Clock
  readonly hintOf: HintOf
  /** Stages beside this console that ended by a failure, in the order in which they stopped. */
  readonly stoppedStages: () => readonly StoppedStage[]
  readonly stageTroubles: SharedReading<readonly StageTrouble[]>
  readonly comingUp: () => Progress | undefined
  /** Readers must send a token. */
  readonly wantsToken: boolean
}

/** The answer to a request: a body of the declared shape, or why there is none. */
export type Answered<Body> =
  | { readonly kind: 'answer'; readonly body: Body; readonly status?: 200 | 503 }
  | { readonly kind: 'missing'; readonly problem: Problem }

export interface Route<Params = unknown, Query = unknown, Body = unknown> {
  /** With parameters in braces: `/api/runs/{id}`. */
  readonly path: string
  readonly summary: string
  readonly params: z.ZodType<Params> | undefined
  readonly query: z.ZodType<Query> | undefined
  readonly answer: z.ZodType<Body>
  /** Status → when. The body is a problem, or the answer itself where it can tell of the failure. */
  readonly failures: Readonly<Record<number, string>>
  readonly isFailureAnAnswer: boolean
  handle(
    asked: { readonly params: Params; readonly query: Query },
    sources: Sources,
    /** Aborted when the client is gone. */
    io: IoOptions,
  ): Promise<Answered<Body>> | Answered<Body>
}

type Declaration<Params, Query, Body> = Pick<
  Route<Params, Query, Body>,
  'path' | 'summary' | 'answer' | 'handle'
> & {
  readonly params?: z.ZodType<Params>
  readonly query?: z.ZodType<Query>
  readonly failures?: Readonly<Record<number, string>>
  readonly isFailureAnAnswer?: boolean
}

/** A route of any parameters: requests are parsed by its own schemas before it sees them. */
export function route<Params, Query, Body>({
  params,
  query,
  failures = {},
  isFailureAnAnswer = false,
  handle,
  ...rest
}: Declaration<Params, Query, Body>): Route {
  return {
    ...rest,
    params,
    query,
    failures,
    isFailureAnAnswer,
    handle: (asked, sources, io) =>
      handle(
        { params: parsed(params, asked.params) as Params, query: parsed(query, asked.query) as Query },
        sources,
        io,
      ),
  }
}

/** @throws LakeError `USAGE` naming the parameter. */
function parsed(schema: z.ZodType | undefined, given: unknown): unknown {
  if (schema === undefined) return undefined
  const outcome = schema.safeParse(given)
  if (outcome.success) return outcome.data
  const faults = outcome.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  throw new LakeError('USAGE', `Request: ${faults.join('; ')}`, {
    details: { fault: 'request' },
  })
}

export function answer<Body>(body: Body): Answered<Body> {
  return { kind: 'answer', body }
}

/** @param known The names that there are. */
export function missing(noun: string, name: string, known: readonly string[]): Answered<never> {
  const problem: Problem = {
    code: 'USAGE',
    message: `${noun} ${name}: there is no such ${noun.toLowerCase()}`,
    hint: `There are ${known.join(', ')}.`,
  }
  return { kind: 'missing', problem }
}

/** When a shared reading was read, and what is wrong with it. */
export function markOf({ readAtMs, isStale, problem }: Reading<unknown>): {
  readonly readAt: string | null
  readonly isStale: boolean
  readonly problem: Problem | null
} {
  return {
    readAt: readAtMs === undefined ? null : new Date(readAtMs).toISOString(),
    isStale,
    problem: problem ?? null,
  }
}
