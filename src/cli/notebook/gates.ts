/** Notebooks as gates: those whose metadata names a task are run against what the task has staged. */
import { readFile } from 'node:fs/promises'
import { messageOf } from '../../lib/base/errors.ts'
import type { NotebookEnvironment } from '../../lib/jupyter/environment.ts'
import { type Notebook, readNotebook } from '../../lib/jupyter/ipynb.ts'
import type { Gate, Gates } from '../../pipeline/batch/gate.ts'
import type { Platform } from '../../pipeline/platform/compose.ts'
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

/** A notebook that is damaged holds up the batch only if it may be a gate. */
async function readIfMayBeGate(place: NotebookPlace, { logger }: Platform): Promise<Notebook | undefined> {
  try {
    return await readNotebook(place.path)
  } catch (error) {
    if ((await readFile(place.path, 'utf8')).includes('"gate"')) throw error
    logger.warn({ notebook: place.name, reason: messageOf(error) }, 'A notebook cannot be read')
    return undefined
  }
}
