import { describe, expect, it } from 'vitest'
import { plotlyMimeType } from '../../lib/notebook/output.ts'
import { plot } from '../index.ts'
import { outputsOf } from './show.ts'

const textOf = (value: unknown): string =>
  (outputsOf(value, {}) ?? [])
    .map((output) => String(output['text/html'] ?? Object.keys(output)))
    .join('\n')
    .replaceAll(/<script[\s\S]*?<\/script>/g, '')

describe('show(value)', () => {
  it('shows rows, a frame and an Arrow table as a table', () => {
    const arrow = {
      numRows: 1,
      numCols: 1,
      schema: { fields: [] },
      getChild: () => null,
      get: () => ({ toJSON: () => ({ day: 'mon' }) }),
    }

    for (const value of [[{ day: 'mon' }], { columns: ['day'], values: [['mon']] }, arrow]) {
      expect(textOf(value)).toMatch(/<th[^>]*>day<.*<td[^>]*>mon</)
    }
    expect(textOf([])).toContain('no rows')
  })

  it('shows a figure for plotly', () => {
    expect(textOf(plot.bar([{ x: 1, y: 2 }], { x: 'x', y: 'y' }))).toContain(plotlyMimeType)
  })

  it('leaves to be printed what is no table: numbers, texts, instances of classes', () => {
    for (const value of [1, 'text', null, [1, 2], [new Date()], new Map(), { a: 1 }]) {
      expect(outputsOf(value, {})).toBeUndefined()
    }
  })

  it('says whether the books balance, the identities at fault first', () => {
    const good = { name: 'log = bronze', table: 'bronze', partition: 0, left: 1, right: 1 }
    const bad = {
      name: 'gold = served',
      table: 'gold',
      date: '2026-01-02',
      left: 1,
      right: 2,
      problem: 'one row more',
    }

    expect(textOf({ balanced: true, identities: [good] })).toContain('The books balance: 1 identity hold')
    const text = textOf({ balanced: false, identities: [good, bad] })
    expect(text).toContain('The books do not balance: 1 of 2 identities')
    expect(text).toMatch(/one row more[\s\S]*log = bronze/)
  })

  it('draws where batch and speed layer differ, by hour', () => {
    const window = {
      table: 'events_per_minute',
      window: '2026-01-31T12:30:00Z',
      dimension: 'click',
      realtime: 5,
      batch: 3,
      late: 0,
      duplicate: 2,
      skipped: 0,
      quarantined: 0,
      unexplained: 0,
      rows: [],
    }

    const [words, figure, rows] = outputsOf({ balanced: true, cut: {}, differences: [window] }, {}) ?? []
    expect(words?.['text/plain']).toContain('differ in 1 window; all of them are explained.')
    expect(figure?.[plotlyMimeType]).toMatchObject({ data: [{ x: ['2026-01-31 12'], z: [[2]] }] })
    expect(rows?.['text/plain']).toContain('1 row')
    expect(textOf({ balanced: true, cut: {}, differences: [] })).toContain('agree in every window')
  })

  it('tells what a diff has found, and where a number comes from', () => {
    const diff = {
      table: 'gold/x',
      from: 1,
      to: 2,
      added: 1,
      removed: 0,
      changed: 0,
      rows: [{ day: 'mon', change: 'added' }],
    }
    expect(textOf(diff)).toContain('version 1 to 2: 1 row added, 0 removed, 0 changed')

    const explanation = {
      table: 'gold/x',
      date: '2026-01-02',
      version: 4,
      release: 2,
      values: [{ n: 1 }],
      inputs: [{ table: 'silver/events', version: 7, files: ['a.parquet'], rows: 9 }],
      offsets: [{ partition: 0, from: 1, to: 9, rows: 8 }],
    }
    expect(textOf(explanation)).toMatch(/gold\/x of 2026-01-02, version 4, release 2:[\s\S]*silver\/events/)

    const trace = {
      topic: 't',
      partition: 0,
      offset: 5,
      steps: [{ stage: 'bronze', state: 'landed', details: { version: 3 } }],
    }
    expect(textOf(trace)).toMatch(/t, partition 0, offset 5:[\s\S]*landed[\s\S]*version 3/)
  })

  const svgOf = (value: unknown): string =>
    (outputsOf(value, {}) ?? []).map((output) => String(output['image/svg+xml'] ?? '')).join('')

  it('draws a run as a gantt chart: a bar for each try of a task, and none for a task that did not begin', () => {
    const attempt = { attempt: 1, rowsIn: 1, rowsOut: 1, error: null }
    const run = {
      id: 7,
      dag: 'lakehouse_batch',
      state: 'failed',
      trigger: 'schedule',
      startedAt: '2026-01-31T01:00:00.000Z',
      endedAt: '2026-01-31T01:00:10.000Z',
      error: 'CHECK_FAILED: <b>',
      attempts: [
        {
          ...attempt,
          task: 'bronze_to_silver',
          state: 'failed',
          startedAt: '2026-01-31T01:00:00.000Z',
          endedAt: '2026-01-31T01:00:02.000Z',
        },
        {
          ...attempt,
          attempt: 2,
          task: 'bronze_to_silver',
          state: 'succeeded',
          startedAt: '2026-01-31T01:00:04.000Z',
          endedAt: '2026-01-31T01:00:10.000Z',
        },
        { ...attempt, task: 'ledger', state: 'waiting', startedAt: null, endedAt: null },
      ],
    }

    const svg = svgOf(run)

    expect([...svg.matchAll(/<title>([^<]*)/g)].map(([, told]) => told)).toEqual([
      'bronze_to_silver: failed, 2.0 s',
      'bronze_to_silver, attempt 2: succeeded, 6.0 s',
    ])
    expect(svg).toMatch(/>ledger<.*>waiting</)
    expect(textOf(run)).toContain('Run 7 of lakehouse_batch: failed; schedule')
    expect(textOf(run)).toContain('CHECK_FAILED: &lt;b&gt;')
  })

  it('draws the tasks of the batch, those that come later to the right', () => {
    const svg = svgOf({
      dag: 'lakehouse_batch',
      tasks: [
        { task: 'first', after: [] },
        { task: 'left', after: ['first'] },
        { task: 'right', after: ['first'] },
        { task: 'last', after: ['left', 'right'] },
      ],
    })

    const x = (task: string): number => Number(new RegExp(`x="([^"]+)"[^>]*>${task}<`).exec(svg)?.[1])
    expect([x('first') < x('left'), x('left') === x('right'), x('right') < x('last')]).toEqual([
      true,
      true,
      true,
    ])
    expect([...svg.matchAll(/marker-end/g)]).toHaveLength(4)
  })

  it('draws what tables were made from, and says which version where it is not the newest', () => {
    const svg = svgOf({
      tables: [
        { table: 'bronze/events', version: 9, rows: 1200 },
        { table: 'silver/events', version: 4, rows: Number.NaN },
      ],
      madeFrom: [{ table: 'silver/events', from: 'bronze/events', version: 8 }],
    })

    for (const told of ['bronze/events', 'version 9', '1,200 rows', 'silver/events', 'version 8'])
      expect(svg).toContain(`>${told}<`)
    expect(svg).not.toContain('NaN')
  })
})
