/** Takes secrets out of a line of JSON: from its texts alone, so that it stays JSON. */

/** Shorter ones are parts of ordinary words. */
const shortest = 4
const mark = '[secret]'

/** @returns a function that gives a line back as it is, unless one of its texts or names holds a secret. */
export function redactor(secrets: readonly string[]): (line: string) => string {
  const known = secrets.filter(({ length }) => length >= shortest).sort((a, b) => b.length - a.length)
  if (known.length === 0) return (line) => line
  const inJson = known.map((secret) => JSON.stringify(secret).slice(1, -1))
  const clean = (text: string): string => known.reduce((all, each) => all.replaceAll(each, mark), text)
  return (line) => {
    if (!inJson.some((secret) => line.includes(secret))) return line
    return `${JSON.stringify(cleaned(JSON.parse(line), clean))}\n`
  }
}

function cleaned(value: unknown, clean: (text: string) => string): unknown {
  if (typeof value === 'string') return clean(value)
  if (typeof value === 'number') {
    const text = clean(String(value))
    return text === String(value) ? value : text
  }
  if (Array.isArray(value)) return value.map((each) => cleaned(each, clean))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    // The names of the record itself are ours.
    Object.entries(value).map(([name, each]) => [
      ['level', 'time', 'message'].includes(name) ? name : clean(name),
      name === 'level' || name === 'time' ? each : cleaned(each, clean),
    ]),
  )
}
