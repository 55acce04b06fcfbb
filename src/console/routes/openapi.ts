/** `openapi.json`, generated from the list of routes. */
import { z } from 'zod'
import { problemSchema } from '../answers.ts'
import { answer, type Route, route } from './route.ts'

export const errorSchema = z.object({ error: problemSchema })

const documentSchema = z.looseObject({ openapi: z.string() })

export function openApiRoute(others: readonly Route[]): Route {
  const self: Route = route({
    path: '/api/openapi.json',
    summary: 'This description',
    answer: documentSchema,
    handle: (_asked, { wantsToken }) => answer(openApiDocument([...others, self], wantsToken)),
  })
  return self
}

/** Of every route, whatever it reads: who may not ask is told before. */
const refusals: Readonly<Record<number, string>> = {
  403: 'the Host header names another host than the console',
}
const tokenRefusals: Readonly<Record<number, string>> = { 401: 'the token is missing or another' }

/** OpenAPI 3.1. */
function openApiDocument(routes: readonly Route[], wantsToken: boolean): z.infer<typeof documentSchema> {
  const refused = { ...(wantsToken ? tokenRefusals : {}), ...refusals }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lakeshore console',
      version: '1',
      description: 'Read-only. What could not be read keeps its last value, with isStale and a problem.',
    },
    ...(wantsToken && {
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    }),
    paths: Object.fromEntries(routes.map((each) => [each.path, { get: operationOf(each, refused) }])),
  }
}

function operationOf(
  { summary, params, query, answer: body, failures, isFailureAnAnswer }: Route,
  refused: Readonly<Record<number, string>>,
): object {
  const responsesOf = (descriptions: Readonly<Record<number, string>>, schema: z.ZodType): object =>
    Object.fromEntries(
      Object.entries(descriptions).map(([status, description]) => [
        status,
        { description, content: jsonContent(schema) },
      ]),
    )
  return {
    summary,
    parameters: [...parametersOf('path', params), ...parametersOf('query', query)],
    responses: {
      200: { description: 'OK', content: jsonContent(body) },
      ...responsesOf(failures, isFailureAnAnswer ? body : errorSchema),
      ...responsesOf(refused, errorSchema),
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

function parametersOf(place: 'path' | 'query', schema: z.ZodType | undefined): readonly object[] {
  if (!(schema instanceof z.ZodObject)) return []
  return Object.entries(schema.shape).map(([name, parameter]) => ({
    name,
    in: place,
    required: place === 'path',
    schema: schemaOf(parameter as z.ZodType, 'output'),
  }))
}
