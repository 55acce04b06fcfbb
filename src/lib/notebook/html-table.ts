/**
 * Rows as an HTML table that its reader sorts, filters and pages. Every text is escaped: what stands in a lake may have
 * come from anywhere.
 *
 * It is whole without its script, for readers that run none (the page of a code host): the first page, and how many
 * rows are left. The script is ours, and small, because it is kept with each table: a library of grids has 100 KB.
 */
import { randomBytes } from 'node:crypto'
import { cellText } from './cell-value.ts'
import { cellOf, columnNames } from './named-rows.ts'
import { tableScript } from './table-script.ts'

export interface HtmlTableOptions {
  readonly caption?: string
  /** More rows than this are counted below the table, and can be found by no filter. Default 1,000. */
  readonly maxRows?: number
  /** Default 20. */
  readonly pageRows?: number
}

export function htmlTable(
  rows: readonly object[],
  { caption, maxRows = 1_000, pageRows = 20 }: HtmlTableOptions = {},
): string {
  const title = caption === undefined ? '' : `<caption>${escapeHtml(caption)}</caption>`
  if (rows.length === 0) return `<table>${title}</table><p>no rows</p>`
  const id = `rows-${randomBytes(6).toString('hex')}`
  const kept = rows.slice(0, maxRows)
  const names = columnNames(kept)
  const head = names.map((name) => `<th>${escapeHtml(name)}</th>`).join('')
  const body = kept
    .map((row, index) => {
      const later = index < pageRows ? '' : ' style="display:none"'
      return `<tr${later}>${names.map((name) => cell(cellOf(row, name))).join('')}</tr>`
    })
    .join('')
  return [
    `<div id="${id}" data-page="${pageRows}"><style>${styleOf(id)}</style>`,
    `<table>${title}<thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`,
    `<p class="below">${moreRows(kept.length - pageRows)}</p>`,
    rows.length > kept.length
      ? `<p>${moreRows(rows.length - kept.length)}, of which nothing is shown here</p>`
      : '',
    `</div>`,
    kept.length > 1 ? `<script>${tableScript(id)}</script>` : '',
  ].join('')
}

/** A notebook's own style aligns all cells to the right, and breaks ids in pieces. */
const styleOf = (id: string): string =>
  `#${id} :is(th,td,caption){text-align:left}#${id} td{white-space:nowrap}#${id} td.n{text-align:right}#${id} td.w{white-space:normal}`

const moreRows = (count: number): string =>
  count <= 0 ? '' : `${count} more ${count === 1 ? 'row' : 'rows'}`

function cell(value: unknown): string {
  const isNumeric = typeof value === 'number' || typeof value === 'bigint'
  const text = cellText(value)
  const kind = isNumeric ? ' class="n"' : text.length > longestInOnePiece ? ' class="w"' : ''
  return `<td${kind}>${escapeHtml(text)}</td>`
}

/** An id or a time is read in one piece, a sentence is not. */
const longestInOnePiece = 40

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
