/** Opening tables of long logs, each in a process of its own, so that the memory is that of the opening. */

import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { DeltaTable } from '../../src/lib/delta/index.ts'
import { type Action, commitKey, encodeActions, version } from '../../src/lib/delta/testing/inside.fixture.ts'
import { type Case, type Measurement, measurement } from '../case.ts'
import { deltaRs } from './peer.ts'
import { inWorkshop, type Workshop } from './workshop.ts'

const commits = 10_000
const files = 300_000

export const openCase: Case = {
  name: 'delta/open',
  run: () =>
    inWorkshop(async (workshop) => [
      await opened('delta/open 10,000 commits', workshop, await ofManyCommits(workshop), commits),
      await opened('delta/open 300,000 files', workshop, await ofManyFiles(workshop), files),
    ]),
}

async function opened(
  name: string,
  { folder }: Workshop,
  table: string,
  count: number,
): Promise<Measurement> {
  const path = join(folder, table)
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    join(import.meta.dirname, 'open.main.ts'),
    path,
  ])
  const [seconds = Number.NaN, rssBytes = Number.NaN] = stdout.trim().split(' ').map(Number)
  return { ...measurement(name, 's', seconds, count, await deltaRs('open', path)), rssBytes }
}

const fileAdd = (n: number): Action => ({
  add: {
    path: `part-${String(n).padStart(8, '0')}-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.zstd.parquet`,
    partitionValues: {},
    size: 1_000_000 + n,
    modificationTime: 1_767_225_600_000 + n,
    dataChange: true,
    stats: `{"numRecords":1000,"minValues":{"id":${n * 1000}},"maxValues":{"id":${n * 1000 + 999}},"nullCount":{"id":0}}`,
  },
})

async function emptyTable({ table }: Workshop, name: string): Promise<DeltaTable> {
  const { field, structOf } = await import('../../src/lib/delta/index.ts')
  const made = table(name)
  await made.createIfMissing({
    schema: structOf(field('id', 'long')),
    properties: { 'delta.enableInCommitTimestamps': 'false' },
  })
  return made
}

/** With the newest checkpoint five commits back, as writers that write one every ten leave it. */
async function ofManyCommits(workshop: Workshop): Promise<string> {
  const name = 'commits'
  const table = await emptyTable(workshop, name)
  const log = join(workshop.folder, name)
  await mkdir(join(log, '_delta_log'), { recursive: true })
  for (let n = 1; n <= commits; n++) {
    const info: Action = {
      commitInfo: { timestamp: 1_767_225_600_000 + n, operation: 'WRITE', isBlindAppend: true },
    }
    await writeFile(join(log, commitKey(version(n))), encodeActions([info, fileAdd(n)]))
  }
  await table.checkpoint({ version: commits - 5 })
  return name
}

async function ofManyFiles(workshop: Workshop): Promise<string> {
  const name = 'files'
  const table = await emptyTable(workshop, name)
  const adds = Array.from({ length: files }, (_, n) => fileAdd(n))
  await writeFile(
    join(workshop.folder, name, commitKey(version(1))),
    encodeActions([{ commitInfo: { timestamp: 1_767_225_600_000, operation: 'WRITE' } }, ...adds]),
  )
  await table.checkpoint()
  return name
}
