/** Notebooks of code cells, as tests need them. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Notebook, type NotebookSettings, parseNotebook } from './ipynb.ts'

export interface CellFixture {
  readonly source: string
  readonly kind?: 'markdown'
  readonly tags?: readonly string[]
  readonly count?: number
  readonly outputs?: readonly object[]
}

export function notebookText(cells: readonly (string | CellFixture)[], settings?: NotebookSettings): string {
  const documents = cells.map((cell, at) =>
    documentOf(typeof cell === 'string' ? { source: cell } : cell, at),
  )
  const metadata = {
    kernelspec: { display_name: 'TypeScript', language: 'typescript', name: 'tslab' },
    ...(settings && { lakeshore: settings }),
  }
  return `${JSON.stringify({ cells: documents, metadata, nbformat: 4, nbformat_minor: 5 }, undefined, 1)}\n`
}

function documentOf({ source, kind, tags, count, outputs = [] }: CellFixture, at: number): object {
  const common = {
    id: `cell-${at}`,
    metadata: tags === undefined ? {} : { tags },
  }
  const lines = source === '' ? [] : source.split(/(?<=\n)/)
  if (kind !== undefined) return { cell_type: kind, ...common, source: lines }
  return { cell_type: 'code', execution_count: count ?? null, ...common, outputs, source: lines }
}

export const notebook = (
  cells: readonly (string | CellFixture)[],
  { path = 'a.ipynb', ...settings }: NotebookSettings & { readonly path?: string } = {},
): Notebook =>
  parseNotebook(notebookText(cells, Object.keys(settings).length === 0 ? undefined : settings), path)

/** @returns Its path. */
export async function writeNotebookFile(
  folder: string,
  name: string,
  cells: readonly (string | CellFixture)[],
  settings?: NotebookSettings,
): Promise<string> {
  const path = join(folder, `${name}.ipynb`)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, notebookText(cells, settings))
  return path
}
