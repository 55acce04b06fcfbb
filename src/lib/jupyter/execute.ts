/** Runs a notebook in a kernel, and keeps what came of it whatever happens. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { type NotebookEnvironment, programFile } from './environment.ts'

export interface CellFailure {
  /** Among all cells, from 0; `undefined` for what happened outside of a cell. */
  readonly at?: number
  readonly text: string
  /** In the cell, from 1. */
  readonly line?: number
  readonly column?: number
}

export interface CellEvent {
  readonly at: number
  readonly state: 'started' | 'ok' | 'failed'
}

export interface ExecuteOptions extends IoOptions {
  readonly environment: NotebookEnvironment
  /** The notebook to run; its outputs are written into it. */
  readonly notebook: string
  /** Gets it as HTML that needs no network. */
  readonly page: string
  /** Where the kernel works. */
  readonly folder: string
  readonly onCell?: (event: CellEvent) => void
}

const events = z.discriminatedUnion('event', [
  z.object({ event: z.literal('cell'), at: z.number(), state: z.enum(['started', 'ok', 'failed']) }),
  z.object({
    event: z.literal('ended'),
    failure: z
      .object({
        at: z.number().nullable(),
        text: z.string(),
        line: z.number().nullable(),
        column: z.number().nullable(),
      })
      .nullable(),
  }),
])

type Ended = Extract<z.infer<typeof events>, { event: 'ended' }>

/** An interrupted kernel has four seconds to end its cell, and the page takes some time. */
const mostEndingMs = 8_000

/**
 * The cells run from top to bottom, up to the first that fails.
 *
 * @returns the failure, where there is one.
 * @throws LakeError `TOOL_MISSING` if the kernel could not be run at all, and the reason of the signal once the
 * interrupted notebook is kept.
 */
export async function executeNotebook({
  environment: { bin, env },
  notebook,
  page,
  folder,
  onCell,
  signal,
}: ExecuteOptions): Promise<CellFailure | undefined> {
  signal?.throwIfAborted()
  // A process group of its own: Ctrl-C reaches the kernel through us alone, and in order.
  const child = spawn(join(bin, 'python'), [programFile('execute.py'), notebook, page, folder], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = `${words}${text}`.slice(-10_000)
  })
  const stop = endOn(signal, child)
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  try {
    let last: Ended | undefined
    for await (const line of createInterface({ input: child.stdout })) {
      const event = events.parse(JSON.parse(line))
      if (event.event === 'cell') onCell?.(event)
      else last = event
    }
    const code = await ended
    signal?.throwIfAborted()
    if (last === undefined) {
      throw new LakeError(
        'TOOL_MISSING',
        `Jupyter ended before the notebook did (exit ${code}): ${words.trim()}`,
      )
    }
    return last.failure === null ? undefined : definite(last.failure)
  } finally {
    stop()
    await ended.catch(() => undefined)
  }
}

/** @returns what ends the listening. */
function endOn(signal: AbortSignal | undefined, child: ChildProcess): () => void {
  let timer: NodeJS.Timeout | undefined
  const interrupt = (): void => {
    child.kill('SIGINT')
    timer = setTimeout(() => child.kill('SIGKILL'), mostEndingMs)
  }
  signal?.addEventListener('abort', interrupt, { once: true })
  return () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', interrupt)
  }
}

function definite({ at, text, line, column }: NonNullable<Ended['failure']>): CellFailure {
  return {
    text,
    ...(at !== null && { at }),
    ...(line !== null && { line }),
    ...(column !== null && { column }),
  }
}
