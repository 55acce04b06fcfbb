/** Values in JSON: integers keep all digits, binary is base64, NaN and the infinities are texts. */
import { formatJson } from '../../lib/base/json.ts'

/** The value as JSON can hold it. */
export function toJson(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(toJson)
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toJson(each)]))
}

/**
 * A row as one JSON object, in the order of its columns. Built as text: an object of JavaScript moves names like
 * `2024` to the front.
 *
 * @param names as JSON has them, in quotes.
 */
export function objectText(names: readonly string[], row: readonly unknown[]): string {
  let text = '{'
  for (let index = 0; index < names.length; index++) {
    text += `${index === 0 ? '' : ','}${names[index]}:${formatJson(toJson(row[index] ?? null))}`
  }
  return `${text}}`
}
