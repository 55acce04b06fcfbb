import { randomBytes } from 'node:crypto'
import { createPool } from 'mysql2/promise'
import type { FreshDatabase } from './runs.contract.ts'

/** A database of the test's own on the server at `serverUrl`, dropped at the end. */
export async function makeDatabase(serverUrl: string): Promise<FreshDatabase> {
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
