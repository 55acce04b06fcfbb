import { describe, expect, it } from 'vitest'
import type { CheckedDay } from '../../pipeline/reconcile/check-tables.ts'
import { junitOf } from './junit.ts'

const passed: CheckedDay = {
  table: 'bronze/events',
  version: 3,
  check: 'user_id < 9 & "all"',
  severity: 'fail',
  state: 'passed',
  date: '2026-11-20',
  checked: 5,
  violations: 0,
  since: null,
  ask: null,
  counts: { new: 0, still: 0, fixed: 0 },
  rows: [],
}

describe('junitOf(checks)', () => {
  it('has a case for each check and day, with the rows that break it, and skips what could not be decided', () => {
    const xml = junitOf([
      passed,
      {
        ...passed,
        state: 'failed',
        violations: 3,
        counts: { new: 2, still: 1, fixed: 0 },
        rows: [
          { since: 'new', partition: 0, offset: 7 },
          { since: 'still', partition: 1, offset: 2 },
        ],
      },
      { ...passed, state: 'warned', date: null, problem: 'too \u0007old' },
      { ...passed, table: 'gold/daily_active_users', state: 'unknown', problem: 'too little history' },
    ])

    expect(xml).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="bronze/events" tests="3" failures="1" skipped="0">
    <testcase classname="bronze/events" name="user_id &lt; 9 &amp; &quot;all&quot; (2026-11-20)"/>
    <testcase classname="bronze/events" name="user_id &lt; 9 &amp; &quot;all&quot; (2026-11-20)"><failure message="rows that break it: 3: new 0/7, …; still 1/2"/></testcase>
    <testcase classname="bronze/events" name="user_id &lt; 9 &amp; &quot;all&quot;"><system-out>too ?old</system-out></testcase>
  </testsuite>
  <testsuite name="gold/daily_active_users" tests="1" failures="0" skipped="1">
    <testcase classname="gold/daily_active_users" name="user_id &lt; 9 &amp; &quot;all&quot; (2026-11-20)"><skipped message="too little history"/></testcase>
  </testsuite>
</testsuites>
`)
  })
})
