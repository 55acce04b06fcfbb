/** The Delta tables. */
import { tablesSchema } from '../answers.ts'
import { answer, markOf, type Route, route } from './route.ts'

export const tableRoutes: readonly Route[] = [
  route({
    path: '/api/tables',
    summary: 'The Delta tables: version, rows, size, last commit',
    answer: tablesSchema,
    handle: async (_asked, { tables }, io) => {
      const reading = await tables.get(io)
      return answer({ tables: [...(reading.value ?? [])], ...markOf(reading) })
    },
  }),
]
