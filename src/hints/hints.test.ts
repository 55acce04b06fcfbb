import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { faultsOf, isTest } from '../acceptance/house.ts'
import { type ErrorCode, errorCatalogue, LakeError } from '../lib/base/errors.ts'
import { hintedFaults, hintOf } from './hints.ts'

const src = join(import.meta.dirname, '..')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts') && !isTest(path))
  .map((path) => ({ path, text: readFileSync(join(src, path), 'utf8') }))

describe('hintOf(error)', () => {
  it.each(Object.keys(errorCatalogue) as ErrorCode[])('has a sentence for %s without any facts', (code) => {
    expect(hintOf(new LakeError(code, 'it failed'))).toMatch(/^\S.*[.…:!]|`$/)
    expect(hintOf(new LakeError(code, 'it failed'))).not.toMatch(/undefined|\[object/)
  })

  it('knows every fault that the sources name, and none that they do not', () => {
    const hinted = [...new Set(Object.values(hintedFaults).flat())].sort()

    expect(faultsOf(files).filter((fault) => !hinted.includes(fault))).toEqual([])
    expect(
      hinted.filter(
        (fault) =>
          !files.some(({ path, text }) => !path.endsWith('/hints.ts') && text.includes(`'${fault}'`)),
      ),
    ).toEqual([])
  })

  it.each<[ErrorCode, Record<string, unknown>, string]>([
    [
      'PROTOCOL_UNSUPPORTED',
      { lacking: ['collations', 'rowTracking'] },
      'an engine that has collations, rowTracking',
    ],
    ['SCHEMA_MISMATCH', { missing: [], unknown: ['price'] }, 'Leave price out, or add --merge-schema'],
    ['SCHEMA_MISMATCH', { missing: ['id'], unknown: ['price'] }, 'Add id to the rows.'],
    [
      'SCHEMA_MISMATCH',
      { fault: 'types-differ', couldWiden: true, table: 'integer', rows: 'long' },
      'delta.enableTypeWidening=true',
    ],
    ['TABLE_MISSING', { fault: 'not-written-yet', table: 'bronze/events' }, '`lake land --drain` makes it.'],
    [
      'TABLE_MISSING',
      { fault: 'not-written-yet', table: 'gold/daily_active_users' },
      '`lake batch` makes it.',
    ],
    ['EVENTLOG_RESET', { fault: 'another-log', stage: 'landing' }, '`lake land --accept-new-log`'],
    ['EVENTLOG_RESET', { fault: 'another-log', stage: 'realtime' }, '`lake realtime --accept-new-log`'],
    ['EVENTLOG_RESET', { folder: '/lake/log' }, 'move /lake/log away'],
    ['LOG_CORRUPT', { version: 7 }, '`lake table read TABLE --version 6`'],
    ['VERSION_MISSING', { newest: 3 }, 'Name a version up to 3'],
    [
      'CLICKHOUSE_UNAVAILABLE',
      { log: '/x/clickhouse.log', endOfLog: 'no space' },
      'Its log is /x/clickhouse.log; it ends: no space',
    ],
    ['TASK_FAILED', { runId: 12 }, '`lake runs show 12`'],
    [
      'TASK_FAILED',
      { fault: 'rows-refused', runId: 12, tables: ['gold/a', 'gold/b'] },
      '`lake table read gold/a --candidate 12`, `lake table read gold/b --candidate 12` shows',
    ],
    [
      'CHECK_FAILED',
      { fault: 'candidate-kept', runId: 12, table: 'gold/a' },
      '`lake table read gold/a --candidate 12` shows',
    ],
    ['RUN_MISSING', { fault: 'no-candidate', table: 'gold/a', runs: [9, 4] }, 'candidate of gold/a: 9, 4.'],
    ['RUN_MISSING', { fault: 'no-candidate', table: 'gold/a', runs: [] }, 'No run has a candidate of gold/a'],
    ['USAGE', { command: 'lake table read' }, '`lake table read --help`'],
    ['SQL_INVALID', { fix: 'Try that.' }, 'Try that.'],
  ])('of %s with %j says what fixes it', (code, details, words) => {
    expect(hintOf(new LakeError(code, 'it failed', { details }))).toContain(words)
  })

  it('of an error that was recorded says what holds for its code', () => {
    expect(hintOf({ code: 'RUN_MISSING', message: 'Run 5' })).toBe(
      '`lake runs list` shows the runs there are.',
    )
  })

  it.each([
    [new TypeError('x')],
    ['text'],
    [undefined],
    [{ code: 'ENOENT' }],
    [{ code: 'toString' }],
  ])('of %j, which is no failure of ours, asks for a report', (thrown) => {
    expect(hintOf(thrown)).toContain('--debug')
  })
})
