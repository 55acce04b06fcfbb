/** Whether each part answers, for people and for the health check of a container. */
import type { IoOptions } from '../../lib/base/io.ts'
import { type Health, healthSchema, type Problem, type TableSummary } from '../answers.ts'
import type { Reading } from '../readings/shared-reading.ts'
import { type Route, route, type Sources } from './route.ts'

export const healthRoutes: readonly Route[] = [
  route({
    path: '/api/health',
    summary: 'Whether each part answers, and each stage beside the console runs',
    answer: healthSchema,
    failures: { 503: 'a part does not answer, or a stage has stopped; the body says why' },
    isFailureAnAnswer: true,
    handle: async (_asked, sources, io) => {
      const parts = await partsOf(sources, io)
      const isHealthy = parts.every((part) => part.isHealthy)
      return { kind: 'answer', status: isHealthy ? 200 : 503, body: { isHealthy, parts } }
    },
  }),
]

async function partsOf(
  { ping, tables, newestRuns, stoppedStages }: Sources,
  io: IoOptions,
): Promise<Health['parts']> {
  const [pinged, tablesRead, runsRead] = await Promise.all([ping.get(io), tables.get(io), newestRuns.get(io)])
  return [
    partOf('clickhouse', pinged.problem),
    partOf('tables', tablesProblemOf(tablesRead)),
    partOf('runs', runsRead.problem),
    partOf('stages', stoppedStages()[0]?.problem),
  ]
}

function partOf(
  name: Health['parts'][number]['name'],
  problem: Problem | undefined,
): Health['parts'][number] {
  return { name, isHealthy: problem === undefined, problem: problem ?? null }
}

/** Of all tables, or of the first that could not be read. */
function tablesProblemOf({ value, problem }: Reading<readonly TableSummary[]>): Problem | undefined {
  if (problem !== undefined) return problem
  const [unread] = (value ?? []).flatMap((table) =>
    table.problem === null
      ? []
      : [{ ...table.problem, message: `Table ${table.name}: ${table.problem.message}` }],
  )
  return unread
}
