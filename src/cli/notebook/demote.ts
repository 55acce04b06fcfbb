/** `lake notebook demote`: takes a metric back out of production. */
import { countOf } from '../../lib/base/count-of.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { type GoldTable, goldMetrics } from '../../pipeline/model/gold.ts'
import { joinedViews } from '../../pipeline/model/joined-view.ts'
import { environmentElsewhere } from '../../pipeline/platform/config.ts'
import { metricFile, metricTestFile } from '../../pipeline/promotion/metric-files.ts'
import { withdrawMetric } from '../../pipeline/promotion/withdraw.ts'
import type { CommandLine } from '../command-line.ts'
import { applyToProject, openScratchProject } from './scratch-project.ts'

export async function demoteMetric(given: string, cli: CommandLine): Promise<void> {
  const { platform, terminal, signal } = cli
  const name = requireMetric(given)
  await using scratch = await openScratchProject(environmentElsewhere(cli.config, cli.io.env))
  terminal.line('building the project without it in a copy')
  await scratch.change({ [metricFile(name)]: undefined, [metricTestFile(name)]: undefined })
  await scratch.compile({ signal })
  const files = await scratch.changed()
  terminal.line('taking its rows back')
  const { rows } = await withdrawMetric(platform, name, { signal })
  const isStaged = await applyToProject(files)
  await cli.result({ metric: name, files: Object.keys(files), rows, isStaged }, () =>
    [
      `${name}: ${countOf(rows, 'row')} of gold deleted, its tables and its view in ClickHouse dropped`,
      `${countOf(Object.keys(files).length, 'file')} ${isStaged ? 'taken back and staged' : 'taken back'}`,
      `\`lake table vacuum gold/${name}\` removes its files once nobody reads older versions.`,
    ].join('\n'),
  )
}

/** @throws LakeError `USAGE` for what is no metric, and for one that a view of both layers needs. */
function requireMetric(given: string): GoldTable {
  const metric = goldMetrics.find(({ name }) => name === given)
  if (metric === undefined) {
    throw new LakeError('USAGE', `${given}: there is no such metric`, {
      details: { fault: 'metric-unknown', given, known: goldMetrics.map(({ name }) => name) },
    })
  }
  const view = joinedViews.find(({ gold }) => gold.table === metric.name)
  if (view !== undefined) {
    throw new LakeError('USAGE', `${given}: serving.${view.name} is made from it`, {
      details: { fix: 'Take the view out of src/pipeline/model/joined-view.ts first.' },
    })
  }
  return metric.name
}
