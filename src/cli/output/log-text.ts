/** A record of a log as one line for people: `12:00:00 WARN  message key=value`. */
import { formatJson, parseJson } from '../../lib/base/json.ts'
import { printable } from './printable.ts'

/** @returns `undefined` for a line that is no record. */
export function logRecordText(json: string, { task }: { readonly task?: string } = {}): string | undefined {
  const entry = parsed(json)
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return undefined
  const { time, level, msg, message = msg, err, ...rest } = Object.fromEntries(Object.entries(entry))
  const error: Readonly<Record<string, unknown>> =
    typeof err === 'object' && err !== null ? Object.fromEntries(Object.entries(err)) : {}
  const code = error['code'] === undefined ? '' : `${String(error['code'])}: `
  const cause =
    error['message'] === undefined ? [] : [`: ${task === undefined ? '' : code}${String(error['message'])}`]
  const fix = error['hint'] === undefined ? [] : [` → ${String(error['hint'])}`]
  const details = Object.entries(rest).map(
    ([name, value]) => ` ${name}=${typeof value === 'object' ? formatJson(value) : String(value)}`,
  )
  const clock = task === undefined ? String(time).slice(11, 19) : String(time)
  const head = `${clock} ${String(level).toUpperCase().padEnd(5)}${task === undefined ? '' : ` ${task}:`}`
  return printable(`${head} ${String(message)}${[...cause, ...details, ...fix].join('')}`)
}

function parsed(json: string): ReturnType<typeof parseJson> | undefined {
  try {
    return parseJson(json, 'log line')
  } catch {
    return undefined
  }
}
