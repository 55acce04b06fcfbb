/** How the run store has the runs of notebooks: under which name, and what of them. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Attempt } from '../../lib/runs/run.ts'
import type { NotebookPlace } from './places.ts'

const prefix = 'notebook/'
/** The store takes names of 191 characters. */
const longest = 150

export function dagOfNotebook({ name }: NotebookPlace): string {
  if (name.length <= longest) return `${prefix}${name}`
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16)
  return `${prefix}${name.slice(0, longest)}…${hash}`
}

/** The parameters of the run in the store. */
export const recordedParameters = z.object({
  /** The path of the source. */
  notebook: z.string(),
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** What readers saw when it began; null where nothing was released. */
  release: z.number().nullable(),
  /** Of a gate: whose tables it has judged. */
  staged: z.object({ run: z.number(), task: z.string() }).optional(),
})

export type RecordedParameters = z.infer<typeof recordedParameters>

/** What is kept of a run. */
export interface Kept {
  readonly copy: string
  readonly page: string
}

const recordedDetails = z.object({ copy: z.string(), page: z.string() })

/** Where the copy and the page of a recorded run are. */
export function keptOf(attempts: readonly Attempt[]): Kept | undefined {
  return recordedDetails.safeParse(attempts.at(-1)?.details).data
}
