import { describe, expect, it } from 'vitest'
import type { Action } from '../log/actions.ts'
import { field } from '../schema/schema.ts'
import { partitionsChangedBy } from './changed-partitions.ts'

const day = field('event_date', 'date')
const add = (value: string | null, dataChange = true): Action => ({
  add: {
    path: `${String(value)}.parquet`,
    partitionValues: { event_date: value },
    size: 1,
    modificationTime: 0,
    dataChange,
  },
})

describe('partitionsChangedBy(actions, column)', () => {
  it('names each partition of files that came or went once', () => {
    const remove: Action = {
      remove: { path: 'x.parquet', dataChange: true, partitionValues: { event_date: '2026-01-02' } },
    }

    expect(partitionsChangedBy([add('2026-01-01'), add('2026-01-01'), add(null), remove], day)).toEqual({
      kind: 'known',
      values: new Set(['2026-01-01', null, '2026-01-02']),
    })
  })

  it('names none where rows only move, also in a table without partitions', () => {
    const nothing = { kind: 'known', values: new Set() }

    expect(partitionsChangedBy([add('2026-01-01', false)], day)).toEqual(nothing)
    expect(partitionsChangedBy([add('2026-01-01', false)], undefined)).toEqual(nothing)
  })

  it('does not know it where a remove does not say it, or the table is not partitioned so', () => {
    const bare: Action = { remove: { path: 'x.parquet', dataChange: true } }

    expect(partitionsChangedBy([bare], day)).toEqual({ kind: 'unknown' })
    expect(partitionsChangedBy([add('2026-01-01')], undefined)).toEqual({ kind: 'unknown' })
  })
})
