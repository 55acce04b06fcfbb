/** The REST API, read-only, as a list of routes: fastify serves them, and `openapi.json` is made from them. */
import { z } from 'zod'
import { LakeError } from '../lib/base/errors.ts'
import {
  healthSchema,
  overviewSchema,
  panelAnswerSchema,
  problemSchema,
  runSchema,
  runsSchema,
  tablesSchema,
} from './answers.ts'
import { rangesMinutes } from './overview.ts'

export const rangeQuery = z.object({
  /** How far the time series look back. */
  minutes: z.coerce
    .number(`expected one of ${rangesMinutes.join(', ')}`)
    .pipe(z.literal(rangesMinutes, `expected one of ${rangesMinutes.join(', ')}`))
    .default(rangesMinutes[0]),
})

export const panelParams = z.object({ id: z.string() })
const wholeNumber = 'expected a whole number of 1 or more'
export const runParams = z.object({
  id: z.coerce.number(wholeNumber).int(wholeNumber).positive(wholeNumber),
})

interface Route {
  readonly path: string
  readonly summary: string
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly answer: z.ZodType
  /** Status → when. */
  readonly failures: Readonly<Record<number, string>>
}

export const errorSchema = z.object({ error: problemSchema })

export const routes: readonly Route[] = [
  {
    path: '/api/overview',
    summary: 'All panels with their figures, how new they are, and what in them is provisional',
    query: rangeQuery,
    answer: overviewSchema,
    failures: { 400: 'a wrong parameter' },
  },
  {
    path: '/api/panels/{id}',
    summary: 'One panel',
    params: panelParams,
    query: rangeQuery,
    answer: panelAnswerSchema,
    failures: { 400: 'a wrong parameter', 404: 'no such panel' },
  },
  {
    path: '/api/tables',
    summary: 'The Delta tables: version, rows, size, last commit',
    answer: tablesSchema,
    failures: {},
  },
  {
    path: '/api/runs',
    summary: 'The newest runs of the batch with their tasks, newest first',
    answer: runsSchema,
    failures: {},
  },
  {
    path: '/api/runs/{id}',
    summary: 'One run with its tasks',
    params: runParams,
    answer: runSchema,
    failures: { 400: 'a wrong parameter', 404: 'no such run', 503: 'the run store does not answer' },
  },
  {
    path: '/api/health',
    summary: 'Whether each part answers, and each stage beside the console runs',
    answer: healthSchema,
    failures: { 503: 'a part does not answer, or a stage has stopped; the body says why' },
  },
]

/** @throws LakeError `USAGE` naming the parameter. */
export function parseParameters<T extends z.ZodType>(schema: T, given: unknown): z.output<T> {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  throw new LakeError('USAGE', `Request: ${faults.join('; ')}`, { hint: 'See /api/openapi.json.' })
}

/** OpenAPI 3.1. */
export function openApiDocument(): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lakeshore console',
      version: '1',
      description: 'Read-only. What could not be read keeps its last value, with isStale and a problem.',
    },
    paths: Object.fromEntries(routes.map((route) => [route.path, { get: operationOf(route) }])),
  }
}

function operationOf({ summary, params, query, answer, failures }: Route): object {
  return {
    summary,
    parameters: [...parametersOf('path', params), ...parametersOf('query', query)],
    responses: {
      200: { description: 'OK', content: jsonContent(answer) },
      ...Object.fromEntries(
        Object.entries(failures).map(([status, description]) => [
          status,
          { description, content: jsonContent(answer === healthSchema ? healthSchema : errorSchema) },
        ]),
      ),
    },
  }
}

const jsonContent = (schema: z.ZodType): object => ({
  'application/json': { schema: schemaOf(schema, 'output') },
})

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}

function parametersOf(place: 'path' | 'query', schema: z.ZodObject | undefined): readonly object[] {
  return Object.entries(schema?.shape ?? {}).map(([name, parameter]) => ({
    name,
    in: place,
    required: place === 'path',
    schema: schemaOf(parameter, 'output'),
  }))
}
