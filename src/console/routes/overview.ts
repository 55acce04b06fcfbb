/** The overview: all panels with their figures, or one panel. */
import { z } from 'zod'
import { overviewSchema, panelAnswerSchema } from '../answers.ts'
import { rangesMinutes } from '../overview.ts'
import { findPanel, panels } from '../panels.ts'
import { answer, missing, type Route, route } from './route.ts'

const expected = `expected one of ${rangesMinutes.join(', ')}`

const rangeQuery = z.object({
  /** How far the time series look back. */
  minutes: z.coerce.number(expected).pipe(z.literal(rangesMinutes, expected)).default(rangesMinutes[0]),
})

export const overviewRoutes: readonly Route[] = [
  route({
    path: '/api/overview',
    summary: 'All panels with their figures, how new they are, and what in them is provisional',
    query: rangeQuery,
    answer: overviewSchema,
    failures: { 400: 'a wrong parameter' },
    handle: async ({ query: { minutes } }, { overview, stoppedStages, stageTroubles, comingUp }, io) => {
      const { step, done, total } = comingUp() ?? {}
      const [panels, troubles] = await Promise.all([overview.overview(minutes, io), stageTroubles.get(io)])
      return answer({
        ...panels,
        comingUp: step === undefined ? null : { step, done: done ?? null, total: total ?? null },
        stoppedStages: [...stoppedStages()],
        // If the run store does not answer, the runs say so.
        stageTroubles: [...(troubles.value ?? [])],
      })
    },
  }),
  route({
    path: '/api/panels/{id}',
    summary: 'One panel',
    params: z.object({ id: z.string() }),
    query: rangeQuery,
    answer: panelAnswerSchema,
    failures: { 400: 'a wrong parameter', 404: 'no such panel' },
    handle: async ({ params: { id }, query: { minutes } }, { overview }, io) => {
      const panel = findPanel(id)
      if (panel !== undefined) return answer(await overview.panel(panel, minutes, io))
      return missing(
        'Panel',
        id,
        panels.map((known) => known.id),
      )
    },
  }),
]
