/**
 * What a cell shows below itself. One output has several forms of the same, and each reader takes the best that it knows:
 * JupyterLab and VS Code plotly's figure, nbconvert's page and code hosts the still picture.
 *
 * Plotly's MIME type wants an object: JupyterLab shows a whole notebook empty when it meets a JSON text there.
 */
import { createRequire } from 'node:module'
import type { Figure } from './figure.ts'
import { stillOf } from './still.ts'

/** MIME type → content. */
export type Output = Readonly<Record<string, unknown>>

export const plotlyMimeType = 'application/vnd.plotly.v1+json'

export function figureOutput(figure: Figure): Output {
  const { data, layout } = figure
  const still = stillOf(figure)
  return { [plotlyMimeType]: { data, layout }, ...(still !== undefined && { 'image/svg+xml': still }) }
}

export interface OutputPlace {
  /** Outputs of one name take each other's place. */
  readonly name: string
  /** False for the first of them. */
  readonly isUpdate: boolean
}

/** @returns false where no cell of a kernel is running. */
export function sendOutput(output: Output, place?: OutputPlace): boolean {
  const write = kernelWrite()
  if (write === undefined) return false
  const transient = place === undefined ? {} : { display_id: place.name }
  write({ data: output, metadata: {}, transient }, place?.isUpdate ?? false)
  return true
}

type Write = (message: object, isUpdate: boolean) => void

/** tslab's own `display` sends one MIME type at a time. What it sends them with takes several. */
function kernelWrite(): Write | undefined {
  const { cache } = createRequire(import.meta.url)
  for (const [path, module] of Object.entries(cache)) {
    if (!/[\\/]tslab[\\/]dist[\\/]jupyter\.js$/.test(path)) continue
    const write: unknown = module?.exports.lastWriteDisplayData
    if (typeof write === 'function') return (message, isUpdate) => void write(message, isUpdate)
  }
  return undefined
}
