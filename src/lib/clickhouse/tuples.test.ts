import { describe, expect, it } from 'vitest'
import { openEmbeddedClickHouse } from '../clickhouse-server/embedded.ts'
import { sharedHome } from '../clickhouse-server/shared.fixture.ts'
import { clickhouseTuples, type TupleChunk } from './tuples.ts'

describe('clickhouseTuples(clickhouse, sql, options)', () => {
  it('reads floats as numbers wherever they stand, and keeps doubled names', async () => {
    const home = await sharedHome()
    await using clickhouse = await openEmbeddedClickHouse({ home: home.path, deadlineMs: 60_000 })
    const sql = `select nan n, [-inf, NULL, 0.5] l, tuple('nan', inf) t, map('nan', toFloat32(nan)) m,
      cast((nan, 'inf'), 'Tuple(a Float64, \`b c\` String)') s, 'nan' x, toInt64(9007199254740993) big, 'nan' x, {z:Int8} z`

    const chunks: TupleChunk[] = []
    for await (const chunk of clickhouseTuples(clickhouse, sql, { params: { z: 7 } })) chunks.push(chunk)

    expect(chunks[0]?.columns).toEqual(['n', 'l', 't', 'm', 's', 'x', 'big', 'x', 'z'])
    expect(chunks.flatMap(({ rows }) => rows)).toEqual([
      [
        Number.NaN,
        [Number.NEGATIVE_INFINITY, null, 0.5],
        ['nan', Number.POSITIVE_INFINITY],
        { nan: Number.NaN },
        { a: Number.NaN, 'b c': 'inf' },
        'nan',
        9007199254740993n,
        'nan',
        7,
      ],
    ])
  })

  it('names the columns of an answer that comes line by line, and has no row', async () => {
    const lines = ['["a","a"]\n', '["Float64","String"]\n']
    async function* raw(): AsyncIterable<Uint8Array> {
      for (const line of lines) yield Buffer.from(line)
    }
    const chunks: TupleChunk[] = []
    for await (const chunk of clickhouseTuples({ raw }, '')) chunks.push(chunk)

    expect(chunks).toEqual([
      { columns: ['a', 'a'], rows: [] },
      { columns: ['a', 'a'], rows: [] },
    ])
  })
})
