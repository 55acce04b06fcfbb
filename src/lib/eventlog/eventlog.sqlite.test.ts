import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { ManualClock } from '../base/clock.ts'
import { describeEventLog } from './eventlog.contract.ts'
import { openSqliteEventLog, type SqliteEventLog } from './eventlog.sqlite.ts'

let directory: string
let topics = 0
const opened = new WeakMap<object, { readonly log: SqliteEventLog; readonly clock: ManualClock }>()
const dayMs = 86_400_000

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lakeshore-eventlog-'))
})

afterAll(() => rm(directory, { recursive: true, force: true }))

describeEventLog('sqlite', {
  async open() {
    const clock = new ManualClock(Date.now())
    const log = await openSqliteEventLog({ directory, topic: `topic-${topics++}`, clock })
    opened.set(log, { log, clock })
    return log
  },
  async expire(contractLog) {
    const { log, clock } = opened.get(contractLog) ?? {}
    clock?.advance(2 * dayMs)
    await log?.append([{ key: null, value: null }])
    await log?.applyRetention()
  },
})
