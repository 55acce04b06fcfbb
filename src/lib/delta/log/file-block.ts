/**
 * The files of a checkpoint, column by column: one text holds the paths of many files, another their sizes, and so on.
 *
 * A table may have hundreds of thousands of files, and most readers need few of them. So an object is made for a file
 * only when it is asked for. Passing a text from the engine costs more than its content: a block has few texts.
 */
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { type JsonValue, parseJson } from '../../base/json.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { text } from '../../duckdb/sql-text.ts'
import type { Row } from '../../duckdb/values.ts'
import { type AddFile, decodeBody } from './actions.ts'
import { decodeFilePath } from './file-path.ts'
import type { Source } from './layered-map.ts'

const filesPerBlock = 2048
/** Separates the values of a column: no JSON text and no encoded path holds it. */
const separator = '\u0001'

/** SQL: the path may leave the table. Such paths are looked at before anyone asks for the files. */
const suspects = `path = '' or ${['..', '%2e', '%2E'].map((part) => `contains(path, '${part}')`).join(' or ')}`

/** The engine has so many at a time in its memory, or a row group's. */
const rowsAtATime = 100_000

const furtherFields = ['tags', 'baseRowId', 'defaultRowCommitVersion', 'clusteringProvider'] as const

export interface FileBlockOptions {
  /** SQL of the file's rows. */
  readonly source: string
  /** Where there is `stats_parsed` besides `stats`. */
  readonly hasParsedStatistics: boolean
}

/** Numbers of rows in a file. */
export interface RowRange {
  readonly from: number
  readonly to: number
}

/**
 * The adds of a file.
 *
 * @param file A local Parquet file that has a column `add`.
 * @returns Where in it the rows are that are no adds; `undefined` where there are none.
 * @throws LakeError `LOG_CORRUPT` for an add without path or size, or with a path that leaves the table.
 */
export async function* readFileBlocks(
  session: DuckDbSession,
  file: string,
  { source, hasParsedStatistics, signal }: IoOptions & FileBlockOptions,
): AsyncGenerator<FileBlock, RowRange | undefined> {
  const json = (name: string): string => `to_json("add"."${name}")::varchar`
  const isBare = furtherFields.map((name) => `"add"."${name}" is null`).join(' and ')
  const rest = furtherFields.map((name) => `"${name}" := "add"."${name}"`).join(', ')
  const orEmpty = (name: string, isEmpty: string): string =>
    `case when ${isEmpty} then '' else ${json(name)} end as "${name}"`
  const columns = [
    'file_row_number as number',
    '"add" is not null as here',
    '"add"."path" as path',
    '"add"."size"::varchar as size',
    `coalesce("add"."modificationTime", 0)::varchar as modified`,
    `coalesce("add"."stats", ${hasParsedStatistics ? `${json('stats_parsed')}, ` : ''}'') as stats`,
    orEmpty('partitionValues', 'coalesce(cardinality("add"."partitionValues"), 0) = 0'),
    orEmpty('deletionVector', '"add"."deletionVector" is null'),
    `case when ${isBare} then '' else to_json(struct_pack(${rest}))::varchar end as rest`,
  ]
  const texts = [
    ...['path', 'stats', 'partitionValues', 'deletionVector', 'rest'].map(
      (name) => `string_agg("${name}", chr(1)) as "${name}"`,
    ),
    ...['size', 'modified'].map((name) => `string_agg(${name}, ',') as ${name}`),
  ]
  const counts = [
    'count(*)',
    'count(path)',
    'count(size)',
    'min(number)',
    'max(number)',
    `count_if(${suspects})`,
  ].map((count, index) => `${count}::integer as c${index}`)
  const partitions = new Map<string, AddFile['partitionValues']>()
  let others: RowRange | undefined
  for (const slice of await slicesOf(session, file, { signal })) {
    const select = [
      `select here, ${[...counts, ...texts].join(', ')}`,
      `from (select ${columns.join(', ')} from ${source} where ${slice}) group by here, number // ${filesPerBlock}`,
    ]
    for await (const { rows } of session.chunks(select.join(' '), { signal })) {
      for (const row of rows) {
        const [count = 0, paths, sizes, first = 0, last = 0, suspected = 0] = counts.map((_, index) =>
          Number(row[`c${index}`]),
        )
        if (row['here'] !== true) {
          others = union(others, { from: first, to: last + 1 })
          continue
        }
        if (paths !== count || sizes !== count) throw new LakeError('LOG_CORRUPT', 'add without path or size')
        const block = new FileBlock(count, row, partitions)
        if (suspected > 0) block.requirePaths()
        yield block
      }
    }
  }
  return others
}

function union(a: RowRange | undefined, b: RowRange): RowRange {
  return a === undefined ? b : { from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) }
}

/** Conditions on rows, each of whole row groups: none is decoded twice. */
async function slicesOf(
  session: DuckDbSession,
  file: string,
  { signal }: IoOptions,
): Promise<readonly string[]> {
  const groups = await session.rows(
    `select any_value(row_group_num_rows)::integer as rows from parquet_metadata(${text(file)}) group by row_group_id order by row_group_id`,
    { signal },
  )
  const slices: string[] = []
  let [from, to] = [0, 0]
  groups.forEach(({ rows }, index) => {
    to += Number(rows)
    if (to - from < rowsAtATime && index < groups.length - 1) return
    slices.push(`file_row_number between ${from} and ${to - 1}`)
    from = to
  })
  return slices
}

export class FileBlock implements Source<AddFile> {
  readonly kind = 'files'
  readonly count: number
  readonly #row: Row
  /** Values of partitions by their text: files of one partition share them. */
  readonly #partitions: Map<string, AddFile['partitionValues']>

  constructor(count: number, row: Row, partitions: Map<string, AddFile['partitionValues']>) {
    this.count = count
    this.#row = row
    this.#partitions = partitions
  }

  /** @throws LakeError `LOG_CORRUPT` for a value that is none. */
  values(): readonly AddFile[] {
    const paths = this.#texts('path')
    const [sizes, modified] = [this.#numbers('size'), this.#numbers('modified')]
    const [stats, partitions] = [this.#texts('stats'), this.#texts('partitionValues')]
    const [vectors, rests] = [this.#texts('deletionVector'), this.#texts('rest')]
    return paths.map((path, index) => {
      const partitionValues = this.#partition(partitions[index] ?? '')
      const [size = 0, modificationTime = 0] = [sizes[index], modified[index]]
      const common = { path, partitionValues, size, modificationTime, dataChange: false }
      const of = stats[index] ?? ''
      const [vector = '', rest = ''] = [vectors[index], rests[index]]
      // Field by field: a spread would cost more than everything else that is done for a file.
      const file =
        of === '' ? common : { path, partitionValues, size, modificationTime, dataChange: false, stats: of }
      return vector === '' && rest === '' ? file : withFurther(file, vector, rest)
    })
  }

  /** @throws LakeError `LOG_CORRUPT` for a path that leaves the table. */
  requirePaths(): void {
    for (const path of this.#texts('path')) decodeFilePath(path)
  }

  #texts(column: string): readonly string[] {
    const texts = String(this.#row[column]).split(separator)
    if (texts.length === this.count) return texts
    throw new LakeError('LOG_CORRUPT', `add: expected ${this.count} values of ${column}, got ${texts.length}`)
  }

  #numbers(column: string): readonly number[] {
    return JSON.parse(`[${String(this.#row[column])}]`) as readonly number[]
  }

  #partition(json: string): AddFile['partitionValues'] {
    const known = this.#partitions.get(json)
    if (known !== undefined) return known
    const values = (json === '' ? {} : parseJson(json, 'partitionValues')) as AddFile['partitionValues']
    this.#partitions.set(json, values)
    return values
  }
}

function withFurther(file: AddFile, vector: string, rest: string): AddFile {
  const further = rest === '' ? {} : (parseJson(rest, 'add') as Readonly<Record<string, JsonValue>>)
  const { path, size, partitionValues } = file
  const body: Record<string, JsonValue> = { path, size, partitionValues, ...further }
  if (vector !== '') body['deletionVector'] = parseJson(vector, 'deletionVector')
  const action = decodeBody('add', body, 'checkpoint')
  return 'add' in action ? { ...file, ...action.add } : file
}
