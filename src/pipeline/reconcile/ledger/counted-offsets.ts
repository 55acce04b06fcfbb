/** `log = realtime`: in each table of the speed layer, each offset that it has passed is counted once. */
import type { IoOptions } from '../../../lib/base/io.ts'
import type { ClickHouse } from '../../../lib/clickhouse/clickhouse.ts'
import { type Covered, type RangeFault, readCoverage } from '../../realtime/offset-ranges.ts'
import { realtimeTableNames } from '../../serving/tables.ts'
import { describeRanges } from '../../streaming/offset-range.ts'
import type { Identity } from '../books.ts'
import { identityNames } from '../identity-names.ts'

const name = identityNames.counted

export interface CountedOffsets {
  /** One for each table and partition of each log that was counted. */
  readonly identities: readonly Identity[]
  /** The first offset that was counted of a partition, of any log of the topic. */
  readonly firstOf: (topic: string, partition: number) => bigint | undefined
}

export async function countedOffsets(
  clickhouse: ClickHouse,
  { signal }: IoOptions = {},
): Promise<CountedOffsets> {
  const logs = await clickhouse.query<{ id: string }>(
    `${realtimeTableNames.map((table) => `SELECT DISTINCT log_id AS id FROM realtime.${table}`).join(' UNION DISTINCT ')} ORDER BY id`,
    { signal },
  )
  const identities: Identity[] = []
  const firsts: (Pick<Covered, 'partition' | 'first'> & { readonly logId: string })[] = []
  for (const { id } of logs) {
    const { covered, faults } = await readCoverage(clickhouse, id, { signal })
    for (const { table, partition, first, next } of covered) {
      firsts.push({ logId: id, partition, first })
      const found = faults.filter((fault) => fault.table === table && fault.partition === partition)
      identities.push(identityOf({ table: `realtime.${table}`, partition, left: next - first }, found))
    }
  }
  return {
    identities,
    firstOf: (topic, partition) =>
      firsts
        .filter((each) => each.partition === partition && each.logId.endsWith(`/${topic}`))
        .reduce<bigint | undefined>(
          (least, { first }) => (least === undefined || first < least ? first : least),
          undefined,
        ),
  }
}

function identityOf(
  { table, partition, left }: Pick<Identity, 'table' | 'left'> & { readonly partition: number },
  faults: readonly RangeFault[],
): Identity {
  const lost = faults.filter(({ kind, mayHaveExpired }) => kind === 'hole' && !mayHaveExpired)
  const doubled = faults.filter(({ kind }) => kind === 'overlap')
  const offsets = (ranges: readonly RangeFault[]): bigint =>
    ranges.reduce((sum, { from, to }) => sum + (to - from), 0n)
  const identity = { name, table, partition, left, right: left - offsets(lost) + offsets(doubled) }
  if (lost.length === 0 && doubled.length === 0) return identity
  return {
    ...identity,
    problem: [
      ...(lost.length > 0 ? [`not counted: ${describeRanges(lost)}`] : []),
      ...(doubled.length > 0 ? [`counted twice: ${describeRanges(doubled)}`] : []),
    ].join('; '),
    places: [...lost, ...doubled].map(({ from }) => ({ partition, offset: from })),
  }
}
