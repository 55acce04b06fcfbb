/**
 * The notebook file (nbformat 4): read, changed and written back.
 *
 * What is not changed is written with the bytes that Jupyter writes: one blank for each level, keys in the order in
 * which they were, numbers with their digits, a line end at the end.
 */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { LakeError, systemCode } from '../base/errors.ts'
import { replaceFile } from '../base/files/replace-file.ts'
import { formatJson, parseJsonVerbatim } from '../base/json.ts'

/** What the notebook's metadata says under the key `lakeshore`. */
export interface NotebookSettings {
  readonly title?: string | undefined
  /** A cron expression. */
  readonly schedule?: string | undefined
  /** The task whose result it judges before it is published. */
  readonly gate?: string | undefined
  /** The metric that it changes: what it defines under this name takes its place. */
  readonly changes?: string | undefined
}

export interface NotebookCell {
  readonly kind: 'code' | 'markdown' | 'raw'
  /** Among the code cells, from 1: what Jupyter shows as `[1]` when all cells were run from top to bottom. */
  readonly number?: number
  readonly source: string
  readonly tags: readonly string[]
  /** When it was run last, among all that its kernel ran. */
  readonly executionCount?: number
  readonly outputs: number
}

export interface Notebook {
  /** For messages. */
  readonly path: string
  readonly settings: NotebookSettings
  readonly cells: readonly NotebookCell[]
  /** As it is in the file. */
  readonly document: NotebookDocument
}

type JsonObject = Readonly<Record<string, unknown>>

export interface NotebookDocument extends JsonObject {
  readonly cells: readonly JsonObject[]
}

const text = z.union([z.string(), z.array(z.string()).transform((lines) => lines.join(''))], {
  error: 'expected a text, or its lines',
})
const cellSchema = z.object({
  cell_type: z.enum(['code', 'markdown', 'raw'], { error: 'expected code, markdown or raw' }),
  source: text,
  metadata: z.looseObject({ tags: z.array(z.string()).default([]) }).default({ tags: [] }),
  execution_count: z.number().nullish(),
  outputs: z.array(z.unknown()).default([]),
})
const settingsSchema = z.strictObject({
  title: z.string().min(1).optional(),
  schedule: z.string().min(1).optional(),
  gate: z.string().min(1).optional(),
  changes: z.string().min(1).optional(),
})
const notebookSchema = z.object({
  nbformat: z.literal(4, { error: 'expected 4: open and save it in a newer Jupyter' }),
  metadata: z.looseObject({ lakeshore: settingsSchema.default({}) }),
  cells: z.array(cellSchema),
})

/** @throws LakeError `SOURCE_FAILED` naming the file, the place in it, and what was expected there. */
export function parseNotebook(content: string, path: string): Notebook {
  const document = parseJsonVerbatim(content, path)
  const parsed = notebookSchema.safeParse(JSON.parse(content))
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path: at, message }) => `${placeOf(at)}: ${message}`)
    throw new LakeError('SOURCE_FAILED', `${path}: not a notebook: ${problems.join('; ')}`, {
      details: { path, fault: 'notebook-damaged' },
    })
  }
  const { cells, metadata } = parsed.data
  return notebookOf(path, metadata.lakeshore, cells, document)
}

function notebookOf(
  path: string,
  settings: NotebookSettings,
  cells: readonly z.infer<typeof cellSchema>[],
  document: unknown,
): Notebook {
  let number = 0
  return {
    path,
    settings,
    cells: cells.map(({ cell_type: kind, source, metadata, execution_count: count, outputs }) => ({
      kind,
      source,
      tags: metadata.tags,
      outputs: outputs.length,
      ...(kind === 'code' && { number: ++number }),
      ...(typeof count === 'number' && { executionCount: count }),
    })),
    // The schema above has held it to this shape.
    document: document as NotebookDocument,
  }
}

/** `cells[3].source`. */
function placeOf(path: readonly PropertyKey[]): string {
  const steps = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
  return steps.join('').replace(/^\./, '') || 'the file'
}

/** The bytes that Jupyter writes. */
export function formatNotebook({ document }: Notebook): string {
  return `${formatJson(document, 1)}\n`
}

/** @throws LakeError `FILE_MISSING`, or `SOURCE_FAILED` as `parseNotebook`. */
export async function readNotebook(path: string): Promise<Notebook> {
  let content: string
  try {
    content = await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
    throw new LakeError('FILE_MISSING', `${path}: there is no such notebook`, {
      cause: error,
      details: { path },
    })
  }
  return parseNotebook(content, path)
}

/** Whole or not at all. @throws LakeError `FILE_UNWRITABLE`, `DISK_FULL` */
export async function writeNotebook(notebook: Notebook): Promise<void> {
  await replaceFile(notebook.path, formatNotebook(notebook), { what: 'write notebook' })
}

/** The cells that have this tag, each with its place among all cells, from 0. */
export function cellsTagged(
  { cells }: Notebook,
  tag: string,
): readonly { readonly at: number; readonly cell: NotebookCell }[] {
  return cells.flatMap((cell, at) => (cell.tags.includes(tag) ? [{ at, cell }] : []))
}

/** With another source in the cell at this place, from 0. */
export function withSource(notebook: Notebook, at: number, source: string): Notebook {
  return changed(notebook, (cells) =>
    cells.map((cell, index) => (index === at ? { ...cell, source: linesOf(source) } : cell)),
  )
}

/** With a code cell before the one that is at this place, from 0; as many as there are cells: at the end. */
export function withCodeCell(
  notebook: Notebook,
  at: number,
  {
    id,
    source,
    tags = [],
  }: { readonly id: string; readonly source: string; readonly tags?: readonly string[] },
): Notebook {
  const cell = {
    cell_type: 'code',
    execution_count: null,
    id,
    metadata: tags.length === 0 ? {} : { tags },
    outputs: [],
    source: linesOf(source),
  }
  return changed(notebook, (cells) => cells.toSpliced(at, 0, cell))
}

export function withoutCell(notebook: Notebook, at: number): Notebook {
  return changed(notebook, (cells) => cells.toSpliced(at, 1))
}

/** As it is before any cell was run: what belongs into a repository. */
export function withoutOutputs(notebook: Notebook): Notebook {
  return changed(notebook, (cells) =>
    cells.map((cell) => {
      if (cell['cell_type'] !== 'code') return cell
      const { execution, ...metadata } = Object(cell['metadata'])
      return { ...cell, execution_count: null, metadata, outputs: [] }
    }),
  )
}

function changed(
  { path, document }: Notebook,
  change: (cells: readonly JsonObject[]) => readonly JsonObject[],
): Notebook {
  return parseNotebook(formatJson({ ...document, cells: change(document.cells) }), path)
}

/** As Jupyter keeps a text: its lines, each but the last with its end. */
export function linesOf(source: string): readonly string[] {
  return source === '' ? [] : source.split(/(?<=\n)/)
}
