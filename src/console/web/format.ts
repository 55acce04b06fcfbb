/** Figures and times as people read them; times in UTC, like all days of the lake. */
import type { PanelAnswer } from '../answers.ts'

const counts = new Intl.NumberFormat('en')
const ratios = new Intl.NumberFormat('en', {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
})

export function figure(value: number, unit: PanelAnswer['unit']): string {
  return unit === 'ratio' ? ratios.format(value) : counts.format(value)
}

/** `4 s`, `3 min`, `5 h`, `2 days`: the greatest unit alone. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 10) return `${trim(seconds.toFixed(1))} s`
  if (seconds < 60) return `${Math.floor(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`
  const days = Math.floor(seconds / 86_400)
  return days === 1 ? '1 day' : `${days} days`
}

const trim = (text: string): string => text.replace(/\.0$/, '')

/** `just now`, `12 s ago`. A clock that is a little ahead makes nothing come from the future. */
export function age(ms: number): string {
  if (ms < 1000) return 'just now'
  return `${duration(Math.floor(ms / 1000) * 1000)} ago`
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  const power = Math.min(units.length, Math.floor(Math.log2(size) / 10))
  const value = size / 1024 ** power
  return `${value < 10 ? trim(value.toFixed(1)) : Math.round(value)} ${units[power - 1]}`
}

const dayFormat = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  timeZone: 'UTC',
})

/** `Sun 22 Nov`. */
export function day(isoDay: string): string {
  return dayFormat.format(new Date(`${isoDay}T00:00:00Z`)).replace(',', '')
}

/** `07:31`. */
export const clockTime = (iso: string): string => iso.slice(11, 16)

/** `2026-11-23 07:31:05 UTC`. */
export const exactTime = (iso: string): string => `${iso.slice(0, 19).replace('T', ' ')} UTC`

/** Escapes a text for a chart: charts read `<a href=…>` and `<b>` as markup. */
export const plainText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
