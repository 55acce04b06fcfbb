import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, it, vi } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { openMysql } from './database.mysql.ts'
import { logFileOf } from './log/attempt-files.ts'
import { logLines } from './log/log-lines.ts'
import { makeDatabase } from './mysql-database.fixture.ts'
import { openRunStore, type RunStore } from './run-store.ts'
import { describeRunStore } from './runs.contract.ts'

const serverUrl = process.env['METADATA_URL'] ?? ''

describeRunStore('MySQL', () => makeDatabase(serverUrl))

describe('nowMs()', () => {
  it.each([
    ['before', '2026-10-24T23:59:59Z'],
    ['in the first of the two hours of', '2026-10-25T00:30:00Z'],
    ['in the second of the two hours of', '2026-10-25T01:30:00Z'],
  ])('goes on evenly %s a clock that is set back', async (_, time) => {
    await using fresh = await makeDatabase(serverUrl)
    const { hostname: host, port, username: user, password, pathname } = new URL(fresh.url)
    const database = pathname.slice(1)
    await using store = await openMysql({ host, port: Number(port), user, password, database, hasTls: false })

    const { rows } = await store.db.connection().execute(async (connection) => {
      await sql`set time_zone = 'SYSTEM', timestamp = ${Date.parse(time) / 1000}`.execute(connection)
      return sql<{
        ms: number
        zone: string
      }>`select ${store.nowMs()} as ms, @@system_time_zone as zone`.execute(connection)
    })

    expect(rows.map(({ ms }) => ms)).toEqual([Date.parse(time)])
    expect(['CET', 'CEST']).toContain(rows[0]?.zone)
  })
})

describe('logs of attempts in a store that machines share', () => {
  const messagesOf = async (store: RunStore, id: number): Promise<readonly string[]> => {
    const found: string[] = []
    for await (const lines of logLines(store.logs, await store.runs.show(id))) {
      found.push(...lines.map(({ json }) => JSON.parse(json).message))
    }
    return found
  }

  it('are read on another machine, while they are written and after a kill', async () => {
    await using fresh = await makeDatabase(serverUrl)
    const [here, there] = [mkdtempSync(join(tmpdir(), 'here-')), mkdtempSync(join(tmpdir(), 'there-'))]
    await using store = await openRunStore({ url: fresh.url, logDirectory: here })
    await using other = await openRunStore({ url: fresh.url, logDirectory: there })
    const outcome = await store.leases.acquire('d')
    if (outcome.kind !== 'acquired') throw new Error('the lease is held')
    const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: outcome.lease })
    const id = await recorder.runStarted({ nodes: ['a'], startedMs: 1 })
    await recorder.attemptStarted({ node: 'a', attempt: 1, startedMs: 2 })
    const log = store.logs.attempts.open({ runId: id, node: 'a', attempt: 1 })
    const text = 'ä'.repeat(1_000)
    for (let at = 0; at < 500; at++) log.logger.info({}, `${at} ${text}`)
    await vi.waitFor(async () => expect(await messagesOf(other, id)).toHaveLength(500), 10_000)

    // As a killed process leaves it: in its file, and not copied.
    appendFileSync(
      logFileOf(join(here, readdirSync(here)[0] ?? ''), { runId: id, node: 'a', attempt: 1 }),
      '{"level":"info","time":"2026-01-31T00:00:00.000Z","message":"the last word"}\n',
    )
    const before = (await messagesOf(other, id)).length
    await store.logs.rescue(id)

    expect(before).toBe(500)
    expect((await messagesOf(other, id)).at(-1)).toBe('the last word')
    expect(await messagesOf(other, id)).toEqual(await messagesOf(store, id))
    await log.close()
    await recorder.nodeEnded({ node: 'a', attempt: 1, state: 'succeeded', endedMs: 3 })
    await recorder.runEnded({ state: 'succeeded', endedMs: 3 })
    await store.logs.removeBefore(5)
    expect(await messagesOf(other, id)).toEqual([])
    for (const folder of [here, there]) rmSync(folder, { recursive: true })
  })
})

describe('openRunStore({ url: "mysql://…" })', () => {
  it('takes the password that is given apart from the URL', async () => {
    await using fresh = await makeDatabase(serverUrl)
    const url = new URL(fresh.url)
    const password = decodeURIComponent(url.password)
    url.password = ''

    await using store = await openRunStore({ url: url.href, password })

    expect(await store.runs.list()).toEqual([])
  })

  it.each([
    ['a wrong password', { password: 'wr0ng' }],
    ['a database that is not there', { pathname: '/nowhere' }],
  ])('refuses %s, naming the host and not the password', async (_, wrong) => {
    const url = Object.assign(new URL(serverUrl), wrong)

    await expect(openRunStore({ url: url.href })).rejects.toSatisfy(
      (error) =>
        isLakeError(error, 'RUNSTORE_REFUSED') &&
        error.message.includes(url.host) &&
        !error.message.includes(url.password),
    )
  })
})
