/** Whether every event is accounted for. */
import { booksSchema } from '../answers.ts'
import { unaudited } from '../readings/books.ts'
import { answer, markOf, type Route, route } from './route.ts'

export const booksRoutes: readonly Route[] = [
  route({
    path: '/api/books',
    summary: 'Whether the books balance, as the audits of the batches have found',
    answer: booksSchema,
    handle: async (_asked, { books }, io) => {
      const reading = await books.get(io)
      return answer({ ...(reading.value ?? unaudited), ...markOf(reading) })
    },
  }),
]
