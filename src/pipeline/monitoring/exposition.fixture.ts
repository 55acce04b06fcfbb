/**
 * Reads what Prometheus reads, and refuses what it refuses: "Exposition formats", text format 0.0.4. Written from the
 * specification, apart from the library that writes the text.
 */
export interface Family {
  readonly type: string
  readonly help: string
  /** By name and labels, as `name{a="b"}` with the labels in order. */
  readonly samples: ReadonlyMap<string, number>
}

const nameOf = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const sampleLine = new RegExp(`^(?<name>${nameOf})(?:\\{(?<labels>.*)\\})? (?<value>\\S+)(?: -?\\d+)?$`)
const label = /^(?<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?<value>(?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/
const number = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?Inf|NaN)$/i

/** @throws Error naming the line. */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const families = new Map<string, { type: string; help: string; samples: Map<string, number> }>()
  const ended = new Set<string>()
  let current = ''
  const family = (name: string) => {
    if (name !== current && current !== '') ended.add(current)
    if (ended.has(name)) throw new Error(`${name}: its lines are not together`)
    current = name
    const known = families.get(name) ?? { type: 'untyped', help: '', samples: new Map<string, number>() }
    families.set(name, known)
    return known
  }
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue
    const comment = /^# (?<kind>HELP|TYPE) (?<name>\S+) ?(?<rest>.*)$/.exec(line)?.groups
    if (comment !== undefined) {
      const found = family(comment['name'] ?? '')
      if (found.samples.size > 0) throw new Error(`${line}: comes after samples`)
      if (comment['kind'] === 'HELP') found.help = comment['rest'] ?? ''
      else found.type = comment['rest'] ?? ''
      continue
    }
    if (line.startsWith('#')) continue
    const { name = '', labels = '', value = '' } = sampleLine.exec(line)?.groups ?? {}
    if (name === '' || !number.test(value)) throw new Error(`no sample: ${line}`)
    const base = families.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '')
    const key = `${name}{${labelsOf(labels, line).join(',')}}`
    const found = family(base)
    if (found.samples.has(key)) throw new Error(`twice: ${line}`)
    found.samples.set(key, Number(value.replace(/Inf/, 'Infinity')))
  }
  return families
}

function labelsOf(text: string, line: string): readonly string[] {
  const found: string[] = []
  for (let rest = text; rest !== ''; ) {
    const match = label.exec(rest)
    if (match === null) throw new Error(`no label at ${rest} in ${line}`)
    found.push(match[0].replace(/,$/, ''))
    rest = rest.slice(match[0].length)
  }
  if (new Set(found.map((each) => each.split('=')[0])).size < found.length)
    throw new Error(`a label twice: ${line}`)
  return found.toSorted()
}
