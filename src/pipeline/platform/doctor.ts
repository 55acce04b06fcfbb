/** Tries each part of the platform: is it there, which version, can it be written, and if not, why. */
import { access, constants, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { countOf } from '../../lib/base/count-of.ts'
import { messageOf, systemCode } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { verifyFiles } from '../../lib/delta/index.ts'
import { lakeTableNames } from '../model/tables.ts'
import { lakeTables } from '../query/lake-tables.ts'
import type { Platform } from './compose.ts'
import { exposureOf } from './exposure.ts'
import { cronOf, cronText } from './schedule-settings.ts'

/** What is wrong with a part, and the facts that its fix needs. */
export type Problem =
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'node-too-old'; readonly least: string }
  | { readonly kind: 'home-open-to-others'; readonly home: string }
  | { readonly kind: 'disk-low' }
  | { readonly kind: 'producer-timestamps'; readonly topic: string }
  | { readonly kind: 'timestamp-type-unknown'; readonly topic: string }
  | { readonly kind: 'console-exposed' }
  | { readonly kind: 'clocks-differ' }
  | { readonly kind: 'data-files-broken' }
  | { readonly kind: 'webhook-silent' }
  | { readonly kind: 'lineage-silent' }

type Result =
  | { readonly state: 'ok'; readonly finding: string }
  | { readonly state: 'warn' | 'fail'; readonly finding: string; readonly problem: Problem }

/** What one check found, in words for people. */
export type Finding = Result & { readonly part: string }

export interface ExamineOptions extends IoOptions {
  /** Also reads every data file of every table. */
  readonly isDeep?: boolean
}

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
  schedule: checkSchedule,
  console: checkConsole,
  clock: checkClock,
  'run store': checkRuns,
  alerts: checkAlerts,
  lineage: checkLineage,
}

/** One finding for each part, as it comes; a part that fails stops no other. @throws only when aborted. */
export async function* examine(
  platform: Platform,
  { isDeep = false, signal }: ExamineOptions = {},
): AsyncIterable<Finding> {
  for (const [part, check] of Object.entries(isDeep ? { ...checks, 'data files': checkDataFiles } : checks)) {
    signal?.throwIfAborted()
    try {
      yield { part, ...(await check(platform, { signal })) }
    } catch (error) {
      signal?.throwIfAborted()
      yield { part, state: 'fail', finding: messageOf(error), problem: { kind: 'error', error } }
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
    problem: { kind: 'node-too-old', least: leastNode.join('.') },
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
    problem: { kind: 'home-open-to-others', home },
  }
}

async function checkDisk({ config }: Platform): Promise<Result> {
  const { bavail, bsize } = await statfs(await nearestFolder(config.home))
  const free = bavail * bsize
  const finding = `${(free / gib).toFixed(1)} GiB free at ${config.home}`
  if (free >= leastDisk.warn) return ok(finding)
  return { state: free < leastDisk.fail ? 'fail' : 'warn', finding, problem: { kind: 'disk-low' } }
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
        problem: { kind: 'producer-timestamps', topic: log.topic },
      }
    case 'unknown':
      return {
        state: 'warn',
        finding: `${finding}; whose timestamps it holds cannot be read`,
        problem: { kind: 'timestamp-type-unknown', topic: log.topic },
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

async function checkDataFiles(platform: Platform, { signal }: IoOptions): Promise<Result> {
  const counts = { files: 0, unsealed: 0 }
  const broken: string[] = []
  for (const name of await lakeTables(platform, { signal })) {
    const table = await platform.tableAt(`${platform.config.lakeUri}/${name}`)
    if (!(await table.exists({ signal }))) continue
    const found = await verifyFiles(table, { signal })
    counts.files += found.files
    counts.unsealed += found.unsealed
    broken.push(...found.broken.map(({ path, problem }) => `${name}/${path} (${problem})`))
  }
  const finding = `${countOf(counts.files, 'file')}, ${counts.unsealed} without a checksum`
  if (broken.length === 0) return ok(`${finding}, all others as they were written`)
  return {
    state: 'fail',
    finding: `${finding}; ${broken.length} broken: ${broken.slice(0, 3).join(', ')}`,
    problem: { kind: 'data-files-broken' },
  }
}

async function checkEngine(platform: Platform, { signal }: IoOptions): Promise<Result> {
  const compute = await platform.compute()
  return ok(`${compute.engine}, version ${await compute.version({ signal })}`)
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
  if (exposure !== undefined)
    return { state: 'warn', finding: exposure, problem: { kind: 'console-exposed' } }
  const { host, port, token } = config.console
  return ok(`${host}:${port}, ${token === undefined ? 'for this machine alone' : 'with a token'}`)
}

async function checkSchedule({ config, clock }: Platform): Promise<Result> {
  return ok(`${cronText(cronOf(config), clock.now())}; missed ticks: ${config.schedule.catchUp}`)
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
  return { state: 'warn', finding, problem: { kind: 'clocks-differ' } }
}

async function checkRuns(platform: Platform, { signal }: IoOptions): Promise<Result> {
  const store = await platform.runs()
  const last = await store.runs.latest({}, { signal })
  const told = last === undefined ? 'no run yet' : `last run ${last.id} ${last.state}`
  return ok(`${store.place}: ${told}`)
}

async function checkAlerts(platform: Platform, { signal }: IoOptions): Promise<Result> {
  const open = (await (await platform.runs()).alerts.open({ signal })).length
  const told = `${countOf(open, 'alert')} open`
  const { webhookUrl } = platform.config.alerts
  if (webhookUrl === undefined)
    return ok(`${told}; no webhook: they are in the log and in \`lake alerts list\``)
  const silent = await whyUnreachable(webhookUrl, { signal })
  if (silent === undefined) return ok(`${told}; the webhook can be reached`)
  return { state: 'warn', finding: `${told}; the webhook ${silent}`, problem: { kind: 'webhook-silent' } }
}

async function checkLineage({ config: { lineage } }: Platform, { signal }: IoOptions): Promise<Result> {
  if (lineage === undefined) return ok('not sent: OPENLINEAGE_URL is not set')
  const silent = await whyUnreachable(lineage.url, { signal })
  if (silent === undefined) return ok(`${lineage.url} can be reached; jobs of ${lineage.namespace}`)
  return { state: 'warn', finding: `${lineage.url} ${silent}`, problem: { kind: 'lineage-silent' } }
}

/** Any answer will do: a receiver refuses what is no message. */
async function whyUnreachable(url: string, { signal }: IoOptions): Promise<string | undefined> {
  const timeout = AbortSignal.timeout(3_000)
  try {
    const ending = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
    const response = await fetch(url, { method: 'HEAD', redirect: 'manual', signal: ending })
    await response.body?.cancel()
    return undefined
  } catch (error) {
    signal?.throwIfAborted()
    if (timeout.aborted) return 'does not answer within 3 s'
    // Its text would say the address.
    return `cannot be reached: ${systemCode(error instanceof Error ? error.cause : error) ?? 'no connection'}`
  }
}
