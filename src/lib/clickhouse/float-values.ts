/**
 * The floats of ClickHouse that JSON has no number for. ClickHouse writes `nan`, `inf` and `-inf`; we write them as
 * JavaScript and DuckDB's rows do. The type of a column says which parts of its values are floats: a text `nan` stays
 * a text.
 */
import type { JsonValue } from '../base/json.ts'

type Reading = (value: JsonValue) => JsonValue

const named: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  '-nan': Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
}

const floatOf: Reading = (value) => (typeof value === 'string' ? (named[value] ?? value) : value)

/** `undefined` for a type that holds no floats. @param type as ClickHouse prints it: `Array(Nullable(Float64))` */
export function floatReading(type: string): Reading | undefined {
  const [, name = type, inner = ''] = /^(\w+)\((.*)\)$/s.exec(type) ?? []
  switch (name) {
    case 'Float32':
    case 'Float64':
    case 'BFloat16':
      return floatOf
    case 'Nullable':
    case 'LowCardinality':
      return floatReading(inner)
    case 'Array':
      return ofAll(floatReading(inner))
    case 'Map':
      return ofAll(floatReading(argumentsOf(inner)[1] ?? ''))
    case 'Tuple':
      return ofEach(argumentsOf(inner))
    default:
      return undefined
  }
}

function ofAll(reading: Reading | undefined): Reading | undefined {
  return reading && ((value) => mapped(value, () => reading))
}

function ofEach(elements: readonly string[]): Reading | undefined {
  const readings = elements.map((element) => floatReading(element) ?? floatReading(unnamed(element)))
  if (readings.every((reading) => reading === undefined)) return undefined
  return (value) => mapped(value, (at) => readings[at])
}

function mapped(value: JsonValue, readingAt: (at: number) => Reading | undefined): JsonValue {
  const read = (each: JsonValue, at: number): JsonValue => readingAt(at)?.(each) ?? each
  if (Array.isArray(value)) return value.map(read)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each], at) => [name, read(each, at)]))
}

/** A named element of a tuple: `a Float64`, `` `a b` Float64 ``. */
const unnamed = (element: string): string => element.replace(/^(?:`(?:[^`\\]|\\.)*`|\S+)\s+/s, '')

/** Split at the commas that no bracket or quote encloses. */
function argumentsOf(text: string): readonly string[] {
  const found: string[] = []
  let [depth, from] = [0, 0]
  for (const { 0: token, index } of text.matchAll(/'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]/gs)) {
    if (token === '(') depth += 1
    else if (token === ')') depth -= 1
    else if (token === ',' && depth === 0) {
      found.push(text.slice(from, index).trim())
      from = index + 1
    }
  }
  return [...found, text.slice(from).trim()]
}
