/** What a new notebook begins with. */
import { formatJson } from '../../lib/base/json.ts'
import { linesOf } from '../../lib/jupyter/ipynb.ts'
import type { GoldMetric } from '../../pipeline/model/metric.ts'
import { eventDate } from '../../pipeline/model/metric-column.ts'

const cells = (title: string): readonly StartingCell[] => [
  { kind: 'markdown', source: `# ${title}` },
  {
    kind: 'code',
    source: "import { lake, plot, show } from 'lakeshore/notebook'",
  },
  {
    kind: 'markdown',
    source: 'Parameters: `lake notebook run NAME --param days=30` gives another value.',
  },
  { kind: 'code', source: 'const days: number = 7', tags: ['parameters'] },
  {
    kind: 'code',
    source:
      "const dau = await lake.table('gold/daily_active_users').rows({ orderBy: 'event_date desc', limit: days })\nshow(dau, { caption: 'Daily active users' })",
  },
  {
    kind: 'code',
    source: "plot.line(dau, { x: 'event_date', y: 'dau_count', title: 'Daily active users' })",
  },
]

/** The text of the file. */
export function startingNotebook(title: string): string {
  return documentOf(cells(title), { title })
}

/** The text of a notebook that judges what a task has made, by the checks of its table and one of its own. */
export function gateNotebook(
  title: string,
  { task, table }: { readonly task: string; readonly table: string },
): string {
  return documentOf(
    [
      {
        kind: 'markdown',
        source: `# ${title}\n\nA gate of \`${task}\`: what it makes reaches readers only if no cell here fails. In a batch the cells read what the\ntask has staged; run by hand, they read the newest release.`,
      },
      {
        kind: 'code',
        source: "import { lake, show } from 'lakeshore/notebook'\n\nshow(await lake.staged())",
      },
      {
        kind: 'code',
        source: `const table = lake.table('${table}')\nawait table.check([\n  { kind: 'notNull', column: 'event_date' },\n  { kind: 'condition', name: 'event_date is not in the future', sql: 'event_date <= current_date' },\n])`,
      },
      { kind: 'markdown', source: '## Rows of each day, the newest first' },
      {
        kind: 'code',
        source: `await lake.sql(\`\n  select event_date, count(*) as rows\n  from ${table.replace('/', '.')}\n  group by event_date\n  order by event_date desc\n  limit 14\n\`)`,
      },
    ],
    { title, gate: task },
  )
}

/**
 * The text of a notebook that changes a metric: its definition, and its rows of old and new side by side.
 *
 * @param source The file of the metric.
 */
export function changingNotebook({ name, grain, columns }: GoldMetric, source: string): string {
  const [, body = ''] = /goldMetric\(\{\n(?<body>[\s\S]*)\n\}\)/.exec(source) ?? []
  // What promotion gives a metric it keeps; a notebook has the column of the day written out.
  const definition = body
    .replaceAll(/^ {2}(?:task|position): .*\n/gm, '')
    .replaceAll(/\beventDate\b(?!:)/g, JSON.stringify(eventDate))
  const measures = Object.entries(columns).filter(([, { type }]) => type === 'long' || type === 'double')
  const measure = measures[0]?.[0] ?? grain[0]
  const key = `[${grain.map((column) => `'${column}'`).join(', ')}]`
  return documentOf(
    [
      {
        kind: 'markdown',
        source: `# A change of ${name}\n\nChange the definition, and look at what it changes.`,
      },
      {
        kind: 'code',
        source: "import { compareRows, defineMetric, lake, plot, show } from 'lakeshore/notebook'",
      },
      { kind: 'code', source: `const changed = defineMetric({\n${definition}\n})`, tags: ['metric'] },
      {
        kind: 'code',
        source: `const before = await lake.table('gold/${name}').rows({ orderBy: '${grain.join(', ')}' })\nconst after = await changed.rows()\nconst { isEqual, rows } = compareRows(before, after, { key: ${key} })\nshow(rows.filter((row) => !row.isEqual), { caption: isEqual ? 'No row differs' : 'Rows that differ' })`,
      },
      {
        kind: 'code',
        source: `const sides = [\n  ...before.map((row) => ({ day: row.event_date, value: row.${measure}, of: 'before' })),\n  ...after.map((row) => ({ day: row.event_date, value: row.${measure}, of: 'after' })),\n]\nplot.line(sides, { x: 'day', y: 'value', color: 'of', title: '${measure}, before and after' })`,
      },
      { kind: 'code', source: 'await changed.problems()' },
      {
        kind: 'markdown',
        source: `\`lake notebook promote NAME --metric ${name} --dry-run\` says on which days the rows become others.`,
      },
    ],
    { title: `A change of ${name}`, changes: name },
  )
}

interface StartingCell {
  readonly kind: string
  readonly source: string
  readonly tags?: readonly string[]
}

function documentOf(starting: readonly StartingCell[], settings: Readonly<Record<string, string>>): string {
  const document = {
    cells: starting.map(({ kind, source, tags }, at) => ({
      cell_type: kind,
      ...(kind === 'code' && { execution_count: null }),
      id: `cell-${String(at + 1).padStart(2, '0')}`,
      metadata: tags === undefined ? {} : { tags },
      ...(kind === 'code' && { outputs: [] }),
      source: linesOf(source),
    })),
    metadata: {
      kernelspec: { display_name: 'TypeScript', language: 'typescript', name: 'tslab' },
      lakeshore: settings,
      language_info: { file_extension: '.ts', mimetype: 'text/typescript', name: 'typescript' },
    },
    nbformat: 4,
    nbformat_minor: 5,
  }
  return `${formatJson(document, 1)}\n`
}
