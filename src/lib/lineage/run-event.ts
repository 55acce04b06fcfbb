/**
 * Events of OpenLineage: a run of a job has begun or ended, with the datasets that it reads and writes. Pure.
 *
 * https://openlineage.io/spec/2-0-2/OpenLineage.json; the facets are those of https://openlineage.io/docs/spec/facets
 */
import { createHash } from 'node:crypto'

/** URI of what makes the events. */
const producer = 'https://openlineage.io/producers/lakeshore'
const facet = (name: string, version: string) => ({
  _producer: producer,
  _schemaURL: `https://openlineage.io/spec/facets/${version}/${name}.json#/$defs/${name}`,
})

/** Namespace and name by the naming rules of OpenLineage. */
export interface DatasetName {
  readonly namespace: string
  readonly name: string
}

export interface Dataset extends DatasetName {
  readonly fields?: readonly { readonly name: string; readonly type: string }[]
  readonly version?: string
}

export interface OutputDataset extends Dataset {
  /** Written by this run. */
  readonly rows?: number
  /** Column → the columns that it is computed from; a column that is not known is left out. */
  readonly columnLineage?: Readonly<Record<string, readonly (DatasetName & { readonly field: string })[]>>
}

export interface JobRun {
  readonly runId: string
  readonly namespace: string
  readonly job: string
}

export interface RunEventFacts extends JobRun {
  readonly type: 'START' | 'COMPLETE' | 'FAIL' | 'ABORT'
  readonly atMs: number
  readonly parent?: JobRun
  readonly error?: string
  readonly inputs?: readonly Dataset[]
  readonly outputs?: readonly OutputDataset[]
}

/** As it is sent. */
export type RunEvent = Readonly<Record<string, unknown>>

export function runEvent({
  type,
  atMs,
  runId,
  namespace,
  job,
  parent,
  error,
  inputs = [],
  outputs = [],
}: RunEventFacts): RunEvent {
  return {
    eventType: type,
    eventTime: new Date(atMs).toISOString(),
    producer,
    schemaURL: 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
    run: {
      runId,
      facets: {
        ...(parent && {
          parent: {
            ...facet('ParentRunFacet', '1-0-1'),
            run: { runId: parent.runId },
            job: { namespace: parent.namespace, name: parent.job },
          },
        }),
        ...(error !== undefined && {
          errorMessage: {
            ...facet('ErrorMessageRunFacet', '1-0-0'),
            message: error,
            programmingLanguage: 'TypeScript',
          },
        }),
      },
    },
    job: { namespace, name: job, facets: {} },
    inputs: inputs.map((input) => ({ ...dataset(input), inputFacets: {} })),
    outputs: outputs.map(outputDataset),
  }
}

function outputDataset(output: OutputDataset): object {
  const { facets, ...named } = dataset(output)
  const { columnLineage, rows } = output
  return {
    ...named,
    facets: {
      ...facets,
      ...(columnLineage && {
        columnLineage: {
          ...facet('ColumnLineageDatasetFacet', '1-0-1'),
          fields: Object.fromEntries(
            Object.entries(columnLineage).map(([column, inputFields]) => [column, { inputFields }]),
          ),
        },
      }),
    },
    outputFacets: {
      ...(rows !== undefined && {
        outputStatistics: { ...facet('OutputStatisticsOutputDatasetFacet', '1-0-1'), rowCount: rows },
      }),
    },
  }
}

function dataset({ namespace, name, fields, version }: Dataset): DatasetName & { readonly facets: object } {
  return {
    namespace,
    name,
    facets: {
      ...(fields && { schema: { ...facet('SchemaDatasetFacet', '1-0-0'), fields } }),
      ...(version !== undefined && {
        version: { ...facet('DatasetVersionDatasetFacet', '1-0-0'), datasetVersion: version },
      }),
    },
  }
}

/** The same for the same parts, so that a run has one id however often it is told of: a UUID of version 5 by its form. */
export function runIdOf(...parts: readonly (string | number)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  const variant = ((Number.parseInt(hash.slice(16, 17), 16) & 0x3) | 0x8).toString(16)
  return [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `5${hash.slice(13, 16)}`,
    `${variant}${hash.slice(17, 20)}`,
    hash.slice(20, 32),
  ].join('-')
}
