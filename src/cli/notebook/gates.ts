/** Notebooks as gates: those whose metadata names a task are run against what the task has staged. */
import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import { LakeError, messageOf } from '../../lib/base/errors.ts'
import type { NotebookEnvironment } from '../../lib/jupyter/environment.ts'
import { type Notebook, readNotebook } from '../../lib/jupyter/ipynb.ts'
import type { Gate, Gates } from '../../pipeline/batch/audit/gate.ts'
import type { Platform } from '../../pipeline/platform/compose.ts'
import type { Config } from '../../pipeline/platform/config.ts'
import { allNotebooks, type NotebookPlace } from './places.ts'
import { type NotebookRun, runNotebook, shortFailure } from './recorded-run.ts'
import { runnableNotebook } from './run.ts'

export interface NotebookGatesOptions {
  readonly platform: Platform
  /** What notebooks need; asked for when a gate is asked. */
  readonly prepare: () => Promise<NotebookEnvironment>
}

export function notebookGates({ platform, prepare }: NotebookGatesOptions): Gates {
  const gateOf = (place: NotebookPlace, task: string): Gate => ({
    name: place.name,
    task,
    judge: async (staged, { signal } = {}) => {
      const { run, failure } = await runNotebook(platform, {
        // Read again: it may have been changed since.
        ...(await runnableNotebook(place, new Map())),
        environment: await prepare(),
        trigger: 'gate',
        staged,
        signal,
        onWait: ({ runId }) =>
          platform.logger.info(
            { gate: place.name, run: runId },
            'The gate waits for another run of its notebook',
          ),
      })
      return { run, ...(failure !== null && { refusal: refusalOf(failure) }) }
    },
  })
  return {
    async list() {
      await requireFolder(platform.config)
      const gates: Gate[] = []
      for (const place of await allNotebooks(platform.config)) {
        const task = (await readIfMayBeGate(place, platform))?.settings.gate
        if (task !== undefined) gates.push(gateOf(place, task))
      }
      return gates
    },
  }
}

/** `cell 4, line 3: CHECK_FAILED: …` */
function refusalOf(failure: NonNullable<NotebookRun['failure']>): string {
  const { place, message } = shortFailure(failure)
  return place.length === 0 ? message : `${place.join(', ')}: ${message}`
}

/** What is damaged may have been a gate, and holds up the batch; JSON that is another thing than a notebook was none. */
async function readIfMayBeGate(place: NotebookPlace, { logger }: Platform): Promise<Notebook | undefined> {
  try {
    return await readNotebook(place.path)
  } catch (error) {
    const declared = declaration.safeParse(parsedOrNothing(await readFile(place.path, 'utf8')))
    if (!declared.success || declared.data.metadata?.lakeshore?.gate !== undefined) throw error
    logger.warn({ notebook: place.name, reason: messageOf(error) }, 'A notebook cannot be read')
    return undefined
  }
}

const declaration = z.object({
  metadata: z.object({ lakeshore: z.object({ gate: z.unknown() }).optional() }).optional(),
})

function parsedOrNothing(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** @throws LakeError `CONFIG_INVALID`: the gates in it would be passed over. */
async function requireFolder({ notebooks: { folder } }: Config): Promise<void> {
  if (folder === undefined) return
  const isThere = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (isThere) return
  throw new LakeError(
    'CONFIG_INVALID',
    `LAKESHORE_NOTEBOOKS ${folder}: there is no such folder, and its gates cannot be asked`,
    {
      details: { folder, fault: 'no-notebooks-folder' },
    },
  )
}
