import { describe, expect, it } from 'vitest'
import { decodeRun } from './run-rows.ts'

describe('decodeRun(row)', () => {
  it('reads the error of a store that an earlier release wrote, which has a hint as well', () => {
    const run = decodeRun({
      id: 7,
      dag: 'daily',
      trigger: 'manual',
      state: 'failed',
      parameters: '{}',
      schedule: null,
      tick_ms: null,
      started_ms: 1,
      ended_ms: 2,
      owner: 'laptop:1:1',
      token: 't',
      lease: 'l',
      fencing_token: 1,
      queued_ms: null,
      alive_ms: null,
      cancel_ms: null,
      first_run: null,
      code: null,
      error: '{"code":"TASK_FAILED","message":"a failed","hint":"Look."}',
    })

    expect(run.error).toEqual({ code: 'TASK_FAILED', message: 'a failed' })
  })
})
