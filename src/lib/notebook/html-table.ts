/** Rows as an HTML table. Every text is escaped: what stands in a lake may have come from anywhere. */
import { cellText } from './cell-value.ts'
import { cellOf, columnNames } from './named-rows.ts'

export interface HtmlTableOptions {
  readonly caption?: string
  /** More rows than this are counted below the table instead of shown. Default 50. */
  readonly maxRows?: number
}

export function htmlTable(rows: readonly object[], { caption, maxRows = 50 }: HtmlTableOptions = {}): string {
  const shown = rows.slice(0, maxRows)
  const names = columnNames(shown)
  const head = names.map((name) => `<th style="text-align:left">${escapeHtml(name)}</th>`).join('')
  const body = shown
    .map((row) => `<tr>${names.map((name) => cell(cellOf(row, name))).join('')}</tr>`)
    .join('')
  const title =
    caption === undefined ? '' : `<caption style="text-align:left">${escapeHtml(caption)}</caption>`
  const left = rows.length - shown.length
  const rest = left === 0 ? '' : `<p>${left} more ${left === 1 ? 'row' : 'rows'}</p>`
  if (rows.length === 0) return `<table>${title}</table><p>no rows</p>`
  return `<table>${title}<thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>${rest}`
}

function cell(value: unknown): string {
  const isNumeric = typeof value === 'number' || typeof value === 'bigint'
  return `<td style="text-align:${isNumeric ? 'right' : 'left'}">${escapeHtml(cellText(value))}</td>`
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
