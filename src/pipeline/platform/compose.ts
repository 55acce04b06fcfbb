/**
 * The only place that constructs adapters: `Config` → the parts of the platform.
 *
 * A part is opened when it is first asked for, once, and all are closed in reverse order. The drivers are
 * loaded then too: a command that reads a table touches neither Kafka nor ClickHouse.
 */

import { access, constants, opendir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Clock, systemClock } from '../../lib/base/clock.ts'
import { LakeError, messageOf } from '../../lib/base/errors.ts'
import { makeFolders, privateMode } from '../../lib/base/files/folders.ts'
import { OwnFolder } from '../../lib/base/files/own-folder.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import { scopedLogger } from '../../lib/base/log-scope.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { Compute } from '../../lib/compute/compute.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import type { DuckDb, DuckDbOptions } from '../../lib/duckdb/duckdb.ts'
import type { EventLog } from '../../lib/eventlog/eventlog.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import type { ObjectStore } from '../../lib/storage/store.ts'
import { ShutdownDeadline } from '../../lib/stream/shutdown-deadline.ts'
import type { Gates } from '../batch/audit/gate.ts'
import type { DataMark } from '../batch/settled.ts'
import type { LakeTable } from '../model/tables.ts'
import { StagesHere } from '../monitoring/stages-here.ts'
import type { ShownTables } from '../query/staged-tables.ts'
import type { Config } from './config.ts'

export interface PlatformOptions extends IoOptions {
  readonly logger?: Logger
  readonly clock?: Clock
  readonly gates?: Gates
}

export interface Platform extends AsyncDisposable {
  readonly config: Config
  readonly logger: Logger
  readonly clock: Clock
  /** Where DuckDB and others spill to: of this platform alone, below LAKE_HOME, and gone when it is closed. */
  readonly temporaryDirectory: string
  /** LAKE_HOME, made where it is missing. @throws LakeError `FILE_UNWRITABLE` naming the folder. */
  home(): Promise<string>
  log(): Promise<EventLog>
  /** Where it is the embedded one, its server is found or started. */
  clickhouse(): Promise<ClickHouse>
  /** Whether ClickHouse is the embedded one, has data, and does not run. Starts nothing. */
  isClickHouseAtRest(options?: IoOptions): Promise<boolean>
  /** In the data of the embedded ClickHouse; see `DataMark`. */
  readonly clickhouseMark: DataMark
  /** Closing then ends the embedded ClickHouse too, which otherwise ends itself when nobody has used it for a while. */
  endClickHouseAtClose(): void
  duckdb(): Promise<DuckDb>
  /** With one thread: over a micro-batch, threads cost more than they gain. */
  streamingDuckdb(): Promise<DuckDb>
  compute(): Promise<Compute>
  runs(): Promise<RunStore>
  /** The streaming stages that run in this process. */
  readonly stagesHere: StagesHere
  /** One of the platform's own tables, which need not be there yet. Always the same object. */
  table(name: LakeTable): Promise<DeltaTable>
  /** @param location A path, `file://…` or `s3://bucket/prefix`. @throws LakeError `USAGE` for another scheme. */
  tableAt(location: string): Promise<DeltaTable>
  /** What judges the tables of a batch beside their checks. */
  readonly gates?: Gates
  /** In the process of a gate: what a batch has staged. */
  readonly staged?: () => Promise<ShownTables>
  /** Versions that readers see in place of a release, by table: what is staged, or made on trial. */
  readonly overlay?: () => Promise<ReadonlyMap<string, Snapshot>>
}

/** Drivers connect for as long as they like: how long opening and closing wait for them after an abort. */
const openingMs = 1_000

/** Opens nothing yet; the caller closes it. Aborting gives up opening a part, and touches none that is open. */
export function openPlatform(
  config: Config,
  { logger: told = silentLogger, clock = systemClock, gates, signal }: PlatformOptions = {},
): Platform {
  // What any part says during an attempt at a task is in the log of that attempt too.
  const logger = scopedLogger(told)
  const closers: (() => unknown)[] = []
  const opening = new Set<Promise<unknown>>()
  let isClosed = false
  const temporary = new OwnFolder(join(config.home, 'tmp'), clock)
  let endsClickHouse = false

  /** A part that is opened at the first call, and again where opening failed. */
  const lazily = <T>(open: () => Promise<T>, close?: (part: T) => unknown): (() => Promise<T>) => {
    let opened: Promise<T> | undefined
    return () => {
      opened ??= track(
        open().then(
          async (part) => {
            if (isClosed) await close?.(part)
            else if (close !== undefined) closers.push(() => close(part))
            return part
          },
          (error: unknown) => {
            opened = undefined
            throw error
          },
        ),
      )
      return unlessAborted(opened)
    }
  }
  /** What opens soon after an abort is handed out all the same: its user has to say how far it came. */
  const unlessAborted = async <T>(opened: Promise<T>): Promise<T> => {
    using deadline = new ShutdownDeadline(signal, openingMs)
    const inTime = await deadline.within(opened.then((part) => ({ part })))
    if (inTime === undefined) return Promise.reject(signal?.reason)
    return inTime.part
  }
  const track = <T>(promise: Promise<T>): Promise<T> => {
    const settled = promise.catch(() => undefined).finally(() => opening.delete(settled))
    opening.add(settled)
    return promise
  }
  const dispose = (part: AsyncDisposable): PromiseLike<void> => part[Symbol.asyncDispose]()

  const home = lazily(
    () => prepareHome(config.home, temporary),
    () => dispose(temporary),
  )
  const openEngine = async (options: DuckDbOptions): Promise<DuckDb> => {
    const { openDuckDb } = await import('../../lib/duckdb/duckdb.ts')
    const { duckdbMemoryLimit: memoryLimit, duckdbThreads: threads } = config
    // A home that is not there is not made, nor is one needed that can be written: what fits into memory can be read.
    await access(config.home)
      .then(home)
      .catch(() => undefined)
    return openDuckDb({
      ...options,
      ...(memoryLimit !== undefined && { memoryLimit }),
      ...(threads !== undefined && { threads }),
    })
  }
  const close = (part: DuckDb): void => part[Symbol.dispose]()
  // Two engines in one directory take each other's files for their own, and both crash.
  const duckdb = lazily(() => openEngine({ tempDirectory: temporary.path }), close)
  const streamingDuckdb = lazily(
    () => openEngine({ tempDirectory: join(temporary.path, 'streaming'), threads: 1 }),
    close,
  )
  const openTable = async (location: string): Promise<DeltaTable> => {
    const store = await openStore(location, config)
    closers.push(() => dispose(store))
    const { DeltaTable } = await import('../../lib/delta/index.ts')
    return new DeltaTable({ store, duckdb: await duckdb(), clock, logger })
  }
  const tables = new Map<string, () => Promise<DeltaTable>>()
  const tableAt = (location: string): Promise<DeltaTable> => {
    const known = tables.get(location) ?? lazily(() => openTable(location))
    tables.set(location, known)
    return known()
  }

  const closeClickHouse = async (clickhouse: ClickHouse): Promise<void> => {
    await clickhouse[Symbol.asyncDispose]()
    if (!endsClickHouse || config.clickhouse !== undefined) return
    const { endServer } = await import('../../lib/clickhouse-server/launch.ts')
    await endServer(config.home, { clock })
  }

  return {
    config,
    logger,
    clock,
    stagesHere: new StagesHere(),
    ...(gates && { gates }),
    temporaryDirectory: temporary.path,
    home,
    duckdb,
    streamingDuckdb,
    tableAt,
    table: (name) => tableAt(`${config.lakeUri}/${name}`),

    log: lazily(async () => {
      const { kafka, topic } = config
      if (kafka !== undefined) {
        const { brokers, ssl, sasl } = kafka
        const { openKafkaEventLog } = await import('../../lib/eventlog/eventlog.kafka.ts')
        return openKafkaEventLog({ brokers, ssl, ...(sasl && { sasl }), topic, logger })
      }
      const directory = join(await home(), 'eventlog')
      const { openSqliteEventLog } = await import('../../lib/eventlog/eventlog.sqlite.ts')
      return openSqliteEventLog({ directory, topic, clock, logger })
    }, dispose),

    clickhouse: lazily(async () => {
      if (config.clickhouse !== undefined) {
        const { openClickHouse } = await import('../../lib/clickhouse/client.ts')
        return openClickHouse({ ...config.clickhouse, clock, logger, signal })
      }
      const { openEmbeddedClickHouse } = await import('../../lib/clickhouse-server/embedded.ts')
      return openEmbeddedClickHouse({ home: await home(), clock, logger, signal })
    }, closeClickHouse),

    isClickHouseAtRest: async (options) => {
      if (config.clickhouse !== undefined) return false
      const { isAtRest } = await import('../../lib/clickhouse-server/launch.ts')
      return isAtRest(config.home, options)
    },

    clickhouseMark: {
      read: async () => (await import('../../lib/clickhouse-server/data-mark.ts')).readDataMark(config.home),
      write: async () =>
        (await import('../../lib/clickhouse-server/data-mark.ts')).writeDataMark(config.home),
    },

    endClickHouseAtClose: () => {
      endsClickHouse = true
    },

    compute: lazily(async () => {
      if (config.batchEngine.kind === 'spark') {
        const { openSparkCompute } = await import('../../lib/compute/compute.spark.ts')
        return openSparkCompute({ ...config.batchEngine, duckdb: await duckdb(), clock })
      }
      const { createDuckDbCompute } = await import('../../lib/compute/compute.duckdb.ts')
      return createDuckDbCompute(await duckdb())
    }, closeCompute),

    runs: lazily(async () => {
      if (config.metadata.url.startsWith('sqlite:')) await home()
      const { openRunStore } = await import('../../lib/runs/run-store.ts')
      return openRunStore({
        ...config.metadata,
        logDirectory: join(config.home, 'run-logs'),
        secrets: config.secrets,
        logger,
      })
    }, dispose),

    [Symbol.asyncDispose]: async () => {
      using deadline = new ShutdownDeadline(signal, openingMs)
      await deadline.within(Promise.all(opening))
      isClosed = true
      const failures: unknown[] = []
      for (const close of closers.splice(0).reverse()) {
        try {
          await close()
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw new AggregateError(failures, 'Some parts could not be closed in order')
    },
  }
}

const closeCompute = (compute: Compute): unknown => compute[Symbol.asyncDispose]?.()

async function prepareHome(home: string, temporary: OwnFolder): Promise<string> {
  try {
    await makeFolders(home, privateMode)
    // Of a file the system would say that it may not be entered.
    await (await opendir(home)).close()
    await access(home, constants.W_OK | constants.X_OK)
    await temporary.make()
    return home
  } catch (error) {
    throw new LakeError('FILE_UNWRITABLE', `LAKE_HOME ${home}: cannot be written: ${messageOf(error)}`, {
      cause: error,
      details: { home, fault: 'home-unwritable' },
    })
  }
}

async function openStore(location: string, { s3, home }: Config): Promise<ObjectStore> {
  if (location.startsWith('s3://')) {
    const [bucket = '', ...parts] = location.slice('s3://'.length).split('/')
    if (!/^[\w.-]+$/.test(bucket)) {
      // Not shown: what stands there may be a key and its secret.
      throw new LakeError('USAGE', 'table: expected s3://bucket/prefix, without user and password')
    }
    const { openS3Store } = await import('../../lib/storage/store.s3.ts')
    const prefix = parts.filter((each) => each !== '').join('/')
    return openS3Store({ ...s3, bucket, prefix, cacheDirectory: join(home, 'cache', 's3') })
  }
  const scheme = /^(?<scheme>[a-z][a-z0-9+.-]+):\/\//i.exec(location)?.groups?.['scheme']
  if (scheme !== undefined && scheme !== 'file') {
    throw new LakeError('USAGE', `${location}: expected a path, file://… or s3://…, got the scheme ${scheme}`)
  }
  const { openLocalStore } = await import('../../lib/storage/store.local.ts')
  return openLocalStore(scheme === undefined ? resolve(location) : fileURLToPath(location))
}
