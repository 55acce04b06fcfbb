import { randomBytes } from 'node:crypto'
import { createPool } from 'mysql2/promise'
import { describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { openRunStore } from './run-store.ts'
import { describeRunStore, type FreshDatabase } from './runs.contract.ts'

const serverUrl = process.env['METADATA_URL'] ?? ''

async function makeDatabase(): Promise<FreshDatabase> {
  const name = `lake_runs_${randomBytes(6).toString('hex')}`
  const server = createPool({ uri: serverUrl, connectionLimit: 1 })
  await server.query(`create database ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      await server.query(`drop database ${name}`)
      await server.end()
    },
  }
}

describeRunStore('MySQL', makeDatabase)

describe('openRunStore({ url: "mysql://…" })', () => {
  it('takes the password that is given apart from the URL', async () => {
    await using fresh = await makeDatabase()
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
