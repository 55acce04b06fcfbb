import { describe, expect, it } from 'vitest'
import { type DayVerdict, judgeDrift } from './drift.ts'
import type { DriftExpectation } from './expectation.ts'

const nowMs = Date.parse('2026-11-30T08:00:00Z')
const drift: DriftExpectation = { kind: 'drift', within: 0.5 }

/** Mondays before Monday 2026-11-30 are 23, 16, 9, 2. */
const judge = (
  counted: Readonly<Record<string, number>>,
  history: Readonly<Record<string, number>> = {},
  expectation = drift,
): readonly DayVerdict[] =>
  judgeDrift(expectation, new Map(Object.entries(counted)), {
    history: new Map(Object.entries(history)),
    nowMs,
  })

const history = { '2026-11-16': 100, '2026-11-09': 200, '2026-11-02': 120 }

describe('judgeDrift(expectation, counted, { history, nowMs })', () => {
  it.each([
    [60, 'holds'],
    [180, 'holds'],
    [59, 'breaks'],
    [181, 'breaks'],
  ])('compares a Monday of %i rows with the median of the Mondays before: it %s', (rows, outcome) => {
    expect(judge({ '2026-11-23': rows }, history)).toMatchObject([{ day: '2026-11-23', rows, outcome }])
  })

  it('says in words what is wrong', () => {
    expect(judge({ '2026-11-23': 10 }, history)[0]?.problem).toBe(
      '10 rows; its weekday had 120 in the median of 3 weeks (100 to 200)',
    )
  })

  it('takes the middle between two', () => {
    expect(judge({ '2026-11-23': 200 }, { ...history, '2026-10-26': 140 })).toMatchObject([
      { outcome: 'breaks' },
    ])
    expect(judge({ '2026-11-23': 195 }, { ...history, '2026-10-26': 140 })).toMatchObject([
      { outcome: 'holds' },
    ])
  })

  it.each([
    ['other weekdays', { '2026-11-17': 1, '2026-11-18': 1, '2026-11-19': 1 }],
    ['days of the weekday that come later', { '2026-11-30': 1, '2026-12-07': 1, '2026-12-14': 1 }],
    ['days of the weekday that are too long ago', { '2026-09-21': 1, '2026-09-14': 1, '2026-09-07': 1 }],
    ['days that had no row', { '2026-11-16': 0, '2026-11-09': 0, '2026-11-02': 0 }],
    ['too few days', { '2026-11-16': 1, '2026-11-09': 1 }],
  ])('says that there is too little history, and does not pass, of %s', (_, of) => {
    const [verdict] = judge({ '2026-11-23': 50 }, of)

    expect(verdict).toMatchObject({
      outcome: 'unknown',
      problem: expect.stringMatching(/^too little history: \d days? /),
    })
  })

  it('takes as many days for enough as are declared', () => {
    expect(judge({ '2026-11-23': 50 }, { '2026-11-16': 50 }, { ...drift, atLeast: 1 })).toMatchObject([
      { outcome: 'holds' },
    ])
    expect(judge({ '2026-11-23': 50 }, history, { ...drift, weeks: 2 })).toMatchObject([
      { outcome: 'unknown' },
    ])
  })

  it('counts a day as it is now, also for the days after it', () => {
    const [sixteenth] = judge(
      { '2026-11-16': 1000, '2026-11-23': 1000 },
      { ...history, '2026-11-23': 7, '2026-10-26': 1000, '2026-10-19': 1000 },
    ).slice(-1)

    expect(sixteenth).toMatchObject({ day: '2026-11-23', rows: 1000, outcome: 'holds' })
  })

  it('does not judge the day that is not over, nor one of the future', () => {
    for (const day of ['2026-11-30', '2026-12-07']) {
      expect(judge({ [day]: 1 }, { ...history, '2026-11-23': 100 })).toMatchObject([
        { outcome: 'unknown', problem: 'the day is not over' },
      ])
    }
  })

  it('finds the day between others that has no row at all', () => {
    const verdicts = judge({ '2026-11-22': 5, '2026-11-24': 5 }, history)

    expect(verdicts.map(({ day, rows, outcome }) => [day, rows, outcome])).toEqual([
      ['2026-11-22', 5, 'unknown'],
      ['2026-11-23', 0, 'breaks'],
      ['2026-11-24', 5, 'unknown'],
    ])
  })

  it('does not ask of the days between one of long ago and the others, nor of groups that are no days', () => {
    expect(judge({ '1969-12-31': 1, '2026-11-24': 5, null: 3 }).map(({ day }) => day)).toEqual([
      '1969-12-31',
      '2026-11-24',
    ])
  })
})
