/**
 * What a cell shows below itself, through the notebook's own display (tslab's, for one).
 *
 * Plotly's MIME type wants an object: JupyterLab shows a whole notebook empty when it meets a JSON text there.
 */
import type { Figure } from './figure.ts'
import { type HtmlTableOptions, htmlTable } from './html-table.ts'

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

export function createScreen(display: Display): Screen {
  return {
    table: (rows, options) => display.html(htmlTable(rows, options)),
    figure: ({ data, layout }) => void display.raw(plotlyMimeType, { data, layout }),
  }
}
