/** What a new notebook begins with. */
import { formatJson } from '../../lib/base/json.ts'
import { linesOf } from '../../lib/jupyter/ipynb.ts'

const cells = (title: string) =>
  [
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
  ] satisfies readonly {
    readonly kind: string
    readonly source: string
    readonly tags?: readonly string[]
  }[]

/** The text of the file. */
export function startingNotebook(title: string): string {
  const document = {
    cells: cells(title).map(({ kind, source, ...more }, at) => ({
      cell_type: kind,
      ...(kind === 'code' && { execution_count: null }),
      id: `cell-${String(at + 1).padStart(2, '0')}`,
      metadata: 'tags' in more ? { tags: more.tags } : {},
      ...(kind === 'code' && { outputs: [] }),
      source: linesOf(source),
    })),
    metadata: {
      kernelspec: { display_name: 'TypeScript', language: 'typescript', name: 'tslab' },
      lakeshore: { title },
      language_info: { file_extension: '.ts', mimetype: 'text/typescript', name: 'typescript' },
    },
    nbformat: 4,
    nbformat_minor: 5,
  }
  return `${formatJson(document, 1)}\n`
}
