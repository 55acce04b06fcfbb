/**
 * What a cell shows below itself, through the notebook's own display (tslab's, for one).
 *
 * Plotly's MIME type wants an object: JupyterLab shows a whole notebook empty when it meets a JSON text there. Beside it
 * goes a still picture for readers without plotly: one output has both, and each reader takes the best that it knows.
 */
import { createRequire } from 'node:module'
import type { Figure } from './figure.ts'
import { type HtmlTableOptions, htmlTable } from './html-table.ts'
import { stillOf } from './still.ts'

/** The part of tslab's `display` that is used. */
export interface Display {
  html(content: string): void
  raw(mimeType: string, content: unknown): unknown
}

export interface Screen {
  /** Rows as a table. */
  table(rows: readonly object[], options?: HtmlTableOptions): void
  figure(figure: Figure): void
}

export const plotlyMimeType = 'application/vnd.plotly.v1+json'

/** One output by its MIME types; false where the notebook cannot show several as one. */
export type Bundle = (data: Readonly<Record<string, unknown>>) => boolean

export function createScreen(display: Display, bundle: Bundle = bundleOfKernel): Screen {
  return {
    table: (rows, options) => display.html(htmlTable(rows, options)),
    figure: (figure) => {
      const { data, layout } = figure
      const still = stillOf(figure)
      const isShown =
        still !== undefined && bundle({ [plotlyMimeType]: { data, layout }, 'image/svg+xml': still })
      if (!isShown) display.raw(plotlyMimeType, { data, layout })
    },
  }
}

/** tslab's `display` sends one MIME type at a time. What it sends them with takes several. */
const bundleOfKernel: Bundle = (data) => {
  const { cache } = createRequire(import.meta.url)
  for (const [path, module] of Object.entries(cache)) {
    if (!/[\\/]tslab[\\/]dist[\\/]jupyter\.js$/.test(path)) continue
    const write: unknown = module?.exports.lastWriteDisplayData
    if (typeof write !== 'function') continue
    write({ data, metadata: {}, transient: {} }, false)
    return true
  }
  return false
}
