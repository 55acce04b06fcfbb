/** Tries each part of the platform: is it there, which version, can it be written, and what fixes it. */
import { access, constants, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { countOf } from '../../lib/base/count-of.ts'
import { messageOf } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { lakeTableNames } from '../model/tables.ts'
import type { Platform } from './compose.ts'
import { exposureMend, exposureOf } from './exposure.ts'

export interface Finding {
  readonly part: string
  readonly state: 'ok' | 'warn' | 'fail'
  readonly finding: string
  /** What to do; absent where there is nothing to fix. */
  readonly mend?: string
}

export interface ExamineOptions extends IoOptions {
  /** What to do about a failure. */
  readonly hintOf: (error: unknown) => string
}

type Result = Omit<Finding, 'part'>
type Check = (platform: Platform, options: IoOptions) => Promise<Result>

const gib = 2 ** 30
const leastDisk = { fail: gib / 4, warn: 5 * gib }
const mostSkewMs = 2_000
const leastNode = [20, 19] as const

const checks: Readonly<Record<string, Check>> = {
  Node: checkNode,
  LAKE_HOME: checkHome,
  disk: checkDisk,
  'event log': checkLog,
  lake: checkLake,
  engine: checkEngine,
  ClickHouse: checkClickHouse,
  console: checkConsole,
  clock: checkClock,
  'run store': checkRuns,
}

/** One finding for each part, as it comes; a part that fails stops no other. @throws only when aborted. */
export async function* examine(
  platform: Platform,
  { hintOf, signal }: ExamineOptions,
): AsyncIterable<Finding> {
  for (const [part, check] of Object.entries(checks)) {
    signal?.throwIfAborted()
    try {
      yield { part, ...(await check(platform, { signal })) }
    } catch (error) {
      signal?.throwIfAborted()
      yield { part, state: 'fail', finding: messageOf(error), mend: hintOf(error) }
    }
  }
}

const ok = (finding: string): Result => ({ state: 'ok', finding })

async function checkNode(): Promise<Result> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [leastMajor, leastMinor] = leastNode
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return ok(process.versions.node)
  return {
    state: 'fail',
    finding: process.versions.node,
    mend: `Install Node ${leastNode.join('.')} or newer.`,
  }
}

async function checkHome(platform: Platform): Promise<Result> {
  const home = await platform.home()
  const probe = join(home, `.doctor-${process.pid}`)
  try {
    await writeFile(probe, 'probe', { flag: 'wx' })
  } finally {
    await rm(probe, { force: true })
  }
  const { mode } = await stat(home)
  if ((mode & 0o077) === 0) return ok(`${home} can be written`)
  return {
    state: 'warn',
    finding: `${home} can be written; other users of this machine may enter it (mode ${(mode & 0o777).toString(8)})`,
    mend: `chmod 700 ${home}`,
  }
}

async function checkDisk({ config }: Platform): Promise<Result> {
  const { bavail, bsize } = await statfs(await nearestFolder(config.home))
  const free = bavail * bsize
  const finding = `${(free / gib).toFixed(1)} GiB free at ${config.home}`
  if (free >= leastDisk.warn) return ok(finding)
  return { state: free < leastDisk.fail ? 'fail' : 'warn', finding, mend: 'Free space, or move LAKE_HOME.' }
}

async function nearestFolder(path: string): Promise<string> {
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
    try {
      await access(folder)
      return folder
    } catch {
      // Not made yet: its parent is on the same disk, or will be.
    }
  }
  return dirname(path)
}

async function checkLog(platform: Platform, { signal }: IoOptions): Promise<Result> {
  const log = await platform.log()
  const ranges = await log.partitions({ signal })
  const held = ranges.reduce((sum, { start, end }) => sum + (end - start), 0n)
  const kind = platform.config.kafka === undefined ? 'embedded' : 'Kafka'
  const finding = `${kind}, topic ${log.topic}: ${countOf(ranges.length, 'partition')}, ${countOf(held, 'message')}`
  switch (await log.timestampType({ signal })) {
    case 'append':
      return ok(finding)
    case 'create':
      return {
        state: 'warn',
        finding: `${finding}; its timestamps are the producers' own`,
        mend: `Set message.timestamp.type=LogAppendTime on the topic ${log.topic}.`,
      }
    case 'unknown':
      return {
        state: 'warn',
        finding: `${finding}; whose timestamps it holds cannot be read`,
        mend: `Allow DescribeConfigs, or see that ${log.topic} has message.timestamp.type=LogAppendTime.`,
      }
  }
}

async function checkLake(platform: Platform, { signal }: IoOptions): Promise<Result> {
  const { lakeUri } = platform.config
  if (!lakeUri.startsWith('s3://')) {
    await access(await nearestFolder(lakeUri), constants.W_OK | constants.X_OK)
  }
  let found = 0
  for (const name of lakeTableNames) {
    const table = await platform.table(name)
    if (await table.exists({ signal })) found += 1
  }
  return ok(`${lakeUri}: ${found} of ${lakeTableNames.length} tables, all readable`)
}

async function checkEngine(platform: Platform, { signal }: IoOptions): Promise<Result> {
  const duckdb = await platform.duckdb()
  const row = await duckdb.use((session) => session.row('select version() as version', { signal }))
  return ok(`${platform.config.batchEngine}, version ${String(row['version'])}`)
}

async function checkClickHouse(platform: Platform, { signal }: IoOptions): Promise<Result> {
  const clickhouse = await platform.clickhouse()
  const version = await clickhouse.version({ signal })
  if (platform.config.clickhouse !== undefined) {
    return ok(`${platform.config.clickhouse.url}, version ${version}`)
  }
  // Reading may work where there is no room, or no folder, for the data of an insert.
  await clickhouse.command("INSERT INTO FUNCTION null('probe UInt8') FORMAT CSV\n1", { signal })
  return ok(`embedded, version ${version}, takes inserts`)
}

async function checkConsole({ config }: Platform): Promise<Result> {
  const exposure = exposureOf(config.console)
  if (exposure !== undefined) return { state: 'warn', finding: exposure, mend: exposureMend }
  const { host, port, token } = config.console
  return ok(`${host}:${port}, ${token === undefined ? 'for this machine alone' : 'with a token'}`)
}

async function checkClock(platform: Platform, { signal }: IoOptions): Promise<Result> {
  const clickhouse = await platform.clickhouse()
  const before = Date.now()
  const [row] = await clickhouse.query<{ readonly now: number }>(
    'SELECT toUnixTimestamp64Milli(now64(3)) AS now',
    { signal },
  )
  const skewMs = Math.round(Number(row?.now) - (before + Date.now()) / 2)
  const finding = `${Math.abs(skewMs)} ms ${skewMs < 0 ? 'ahead of' : 'behind'} ClickHouse's`
  if (Math.abs(skewMs) <= mostSkewMs) return ok(finding)
  return {
    state: 'warn',
    finding,
    mend: 'Set both clocks by NTP: late and future events are judged by them.',
  }
}

async function checkRuns(platform: Platform, { signal }: IoOptions): Promise<Result> {
  const store = await platform.runs()
  const last = await store.runs.latest({}, { signal })
  const told = last === undefined ? 'no run yet' : `last run ${last.id} ${last.state}`
  return ok(`${store.place}: ${told}`)
}
