/** Runs of the batch with their tasks. */
import { z } from 'zod'
import { type Cron, nextTick } from '../../lib/schedule/cron.ts'
import { type RunsAnswer, runSchema, runsSchema } from '../answers.ts'
import { runAnswerOf } from '../readings/runs.ts'
import { answer, markOf, type Route, route } from './route.ts'

const scheduleAnswerOf = (cron: Cron, nowMs: number): RunsAnswer['schedule'] => ({
  cron: cron.text,
  timeZone: cron.zone.name,
  next: new Date(nextTick(cron, nowMs)).toISOString(),
})

const wholeNumber = 'expected a whole number of 1 or more'

export const runRoutes: readonly Route[] = [
  route({
    path: '/api/runs',
    summary: 'The newest runs of the batch with their tasks, newest first',
    answer: runsSchema,
    handle: async (_asked, { newestRuns, schedule, clock }, io) => {
      const reading = await newestRuns.get(io)
      return answer({
        runs: [...(reading.value ?? [])],
        schedule: schedule === undefined ? null : scheduleAnswerOf(schedule, clock.now()),
        ...markOf(reading),
      })
    },
  }),
  route({
    path: '/api/runs/{id}',
    summary: 'One run with its tasks',
    params: z.object({ id: z.coerce.number(wholeNumber).int(wholeNumber).positive(wholeNumber) }),
    answer: runSchema,
    failures: { 400: 'a wrong parameter', 404: 'no such run', 503: 'the run store does not answer' },
    handle: async ({ params: { id } }, { runs, hintOf }) => answer(runAnswerOf(await runs.show(id), hintOf)),
  }),
]
