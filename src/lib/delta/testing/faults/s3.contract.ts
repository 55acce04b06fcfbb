/** Operations on a table at an S3 server that fails: each is made once, whatever becomes of one of its requests. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Clock } from '../../../base/clock.ts'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { openS3Store } from '../../../storage/store.s3.ts'
import { DeltaTable } from '../../table.ts'
import { buildTable, faultOperations, stateOf } from './operations.fixture.ts'
import { FakeS3, type S3Fault, s3Faults } from './s3.fixture.ts'

/** Waits for nothing: the attempts follow each other at once. */
const hasty: Clock = { now: () => Date.now(), sleep: async () => undefined }

/** @param faultsAt Those that a request is to meet, each in a run of its own. */
export function describeS3Faults(
  names: readonly string[],
  faultsAt: (request: number) => readonly S3Fault[],
): void {
  let duckdb: DuckDb
  let server: FakeS3
  let built: ReadonlyMap<string, Buffer>
  let cache = ''

  const onTable = async <T>(work: (table: DeltaTable) => Promise<T>): Promise<T> => {
    const cacheDirectory = await mkdtemp(join(cache, 'c-'))
    await using store = openS3Store({ ...server.options, cacheDirectory, clock: hasty })
    return await work(new DeltaTable({ store, duckdb }))
  }
  const toBase = (): void => {
    server.objects.clear()
    for (const [key, bytes] of built) server.objects.set(key, bytes)
  }
  const versionOf = async (): Promise<number> => onTable(async (table) => (await table.snapshot()).version)

  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 1 })
    server = await FakeS3.open()
    cache = await mkdtemp(join(tmpdir(), 'lakeshore-s3-faults-'))
    await onTable(buildTable)
    built = new Map(server.objects)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    duckdb[Symbol.dispose]()
    await rm(cache, { recursive: true, force: true })
    process.stdout.write(`faults of an S3 server: ${JSON.stringify(Object.fromEntries(server.met))}\n`)
    expect([...server.met.keys()].sort()).toEqual([...s3Faults].sort())
  })

  describe('a server whose answers fail, are lost, slow or cut', () => {
    it.each(names)('has %s made once', async (name) => {
      const run = (): Promise<unknown> =>
        onTable(async (table) => {
          // The answer to the first conditional put of a process is not of the operation.
          await table.store.putIfAbsent('warm', new Uint8Array())
          server.fault = fault
          await faultOperations[name]?.run(table, {}, table)
        })
      let fault: { readonly kind: S3Fault; readonly at: number } | undefined
      toBase()
      await run()
      const { requests } = server
      const expected = await onTable(stateOf)
      const version = await versionOf()
      const wrong: string[] = []

      for (let at = 0; at < requests; at++) {
        for (const kind of faultsAt(at)) {
          toBase()
          fault = { kind, at }
          const failure = await run().then(
            () => '',
            (error: unknown) => String(error),
          )
          server.fault = undefined
          const state = await onTable(stateOf).catch(String)
          const reached = await versionOf()
          if (failure !== '' || state !== expected || reached !== version) {
            wrong.push(`${kind} at request ${at}: ${failure} version ${reached} for ${version}, ${state}`)
          }
        }
      }

      expect(requests).toBeGreaterThan(0)
      expect(wrong).toEqual([])
    })
  })
}
