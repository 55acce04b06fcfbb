import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { openMysql } from './database.mysql.ts'
import { makeDatabase } from './mysql-database.fixture.ts'
import { openRunStore } from './run-store.ts'
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
