/** `lake notebook promote`: a metric from a cell of a notebook to production. */
import { countOf } from '../../lib/base/count-of.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { cellsTagged, readNotebook } from '../../lib/jupyter/ipynb.ts'
import { type LiteralArgument, literalArgument } from '../../lib/jupyter/literal-argument.ts'
import { goldMetrics } from '../../pipeline/model/gold.ts'
import { environmentElsewhere } from '../../pipeline/platform/config.ts'
import type { Refusal } from '../../pipeline/promotion/definition.ts'
import {
  clearLeftOver,
  type Prepared,
  type Proof,
  prepareMetric,
  proveMetric,
} from '../../pipeline/promotion/promotion.ts'
import type { CommandLine } from '../command-line.ts'
import { findNotebook } from './places.ts'
import { applyToProject, diffOfProject, openScratchProject, type ScratchProject } from './scratch-project.ts'

/** The tag of the cell that defines the metric. */
export const metricTag = 'metric'
const callee = 'defineMetric'

type Ready = Extract<Prepared, { readonly kind: 'prepared' }>

export interface PromoteFlags {
  readonly metric: string
  readonly dryRun?: boolean
}

export async function promoteMetric(
  given: string,
  { metric: name, dryRun = false }: PromoteFlags,
  cli: CommandLine,
): Promise<void> {
  const { platform, terminal, signal } = cli
  const defined = await definedIn(given, name, cli)
  terminal.line(`judging ${name} on the rows of silver`)
  const prepared = await prepareMetric(platform, defined, { signal })
  if (prepared.kind === 'refused') throw refusal(name, prepared.refusals)

  await using scratch = await openScratchProject(environmentElsewhere(cli.config, cli.io.env))
  terminal.line('building it in a copy of the project')
  await scratch.change(prepared.files)
  await build(scratch, prepared, cli)
  const files = await scratch.changed()
  const diff = await diffOfProject(files)
  const summary = {
    metric: name,
    files: Object.keys(files),
    rows: prepared.rows,
    days: prepared.days,
    changedDays: prepared.changedDays,
  }
  if (dryRun) {
    await cli.result({ ...summary, isDryRun: true, diff }, () =>
      [
        diff,
        ...changeLines(prepared),
        `${name}: ${countOf(prepared.rows, 'row')} of ${countOf(prepared.days, 'day')}; nothing was changed`,
      ].join('\n'),
    )
    return
  }
  terminal.line('making its rows of every day, and loading them into ClickHouse')
  await backfill(scratch, prepared, cli)
  const proof = await proveMetric(platform, prepared.definition, { signal })
  requireEqual(proof, prepared, defined)
  const isStaged = await applyToProject(files)
  await cli.result({ ...summary, proof, isStaged }, () =>
    [
      diff,
      ...changeLines(prepared),
      `${name}: ${countOf(proof.rows, 'row')} of the notebook, of gold in Delta (version ${proof.gold}) and of gold in ClickHouse are equal, over version ${proof.silver} of silver`,
      `${countOf(summary.files.length, 'file')} ${isStaged ? 'changed and staged' : 'changed'}; commit them with: git commit -m "feat(metrics): ${name}"`,
      'A platform that is running takes it up when it is started again.',
    ].join('\n'),
  )
}

interface Defined extends LiteralArgument {
  readonly changes: string | undefined
}

/** @throws LakeError `CHECK_FAILED` with rows that production made and the notebook did not, or the other way round. */
function requireEqual(
  { differences }: Proof,
  { definition: { name }, task }: Ready,
  { changes }: Defined,
): void {
  if (differences.length === 0) return
  throw new LakeError(
    'CHECK_FAILED',
    `${name}: production made other rows than the notebook: ${JSON.stringify(differences.slice(0, 3))}`,
    {
      details: {
        fault: 'promotion-differs',
        metric: name,
        task,
        isChange: changes !== undefined,
        differences,
      },
    },
  )
}

/** @throws LakeError `USAGE` where no tagged cell, or several, define the metric. */
async function definedIn(given: string, name: string, cli: CommandLine): Promise<Defined> {
  const { path } = await findNotebook(cli.config, given)
  const notebook = await readNotebook(path)
  const cells = cellsTagged(notebook, metricTag)
  const defined = await Promise.all(cells.map(({ cell }) => literalArgument(notebook, cell, callee)))
  const names = defined.map(({ value }) => String(Reflect.get(Object(value), 'name')))
  const [found, second] = defined.filter((_, at) => names[at] === name)
  if (found === undefined || second !== undefined) {
    throw new LakeError(
      'USAGE',
      `${given}: expected one cell tagged ${metricTag} that defines ${name}, got ${second === undefined ? 'none' : 'several'}`,
      { details: { fault: 'metric-cell', known: names, tag: metricTag } },
    )
  }
  const changes = notebook.settings.changes
  return { ...found, changes }
}

function refusal(name: string, refusals: readonly Refusal[]): LakeError {
  const lines = refusals.map(({ problem, advice }) => `${problem}. ${advice}`)
  return new LakeError('METRIC_REFUSED', `${name} cannot be promoted: ${lines.join(' ')}`, {
    details: { metric: name, refusals },
  })
}

/** Formats, derives, compiles and tests. */
async function build(
  scratch: ScratchProject,
  { files }: Ready,
  { terminal, signal }: CommandLine,
): Promise<void> {
  const own = Object.keys(files)
  await scratch.run(
    ['node_modules/@biomejs/biome/bin/biome', 'format', '--write', '--vcs-enabled=false', ...own],
    { signal },
  )
  await scratch.compile({ signal })
  terminal.line('running its tests')
  const tests = [
    ...own.filter((path) => path.endsWith('.test.ts')),
    'src/pipeline/model/gold.test.ts',
    'src/pipeline/model/checks.test.ts',
  ]
  await scratch.run(['node_modules/vitest/vitest.mjs', 'run', ...tests], { signal })
}

/** By the batch of the copy, which knows the metric, on the lake itself. */
async function backfill(
  scratch: ScratchProject,
  { definition, task }: Ready,
  { platform, signal }: CommandLine,
): Promise<void> {
  await clearLeftOver(platform, definition, { signal })
  const batch = ['--import', 'tsx', 'src/cli/main.ts', 'batch', '--json']
  await scratch.run([...batch, '--full', '--task', task], { signal })
  await scratch.run([...batch, '--task', 'gold_to_clickhouse'], { signal })
}

function changeLines({ definition: { name }, changedDays }: Ready): readonly string[] {
  if (!goldMetrics.some((metric) => metric.name === name)) return []
  const days =
    changedDays.length === 0 ? 'no day' : `${countOf(changedDays.length, 'day')}: ${changedDays.join(', ')}`
  return [`The change makes other rows on ${days}`]
}
