/**
 * Finds the embedded server of a home, or starts one.
 *
 * Many processes may call it at the same time. Each one that finds no server starts one. A lock lets one server
 * live, and all callers wait until it writes clickhouse.json and answers.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Clock, systemClock } from '../base/clock.ts'
import { LakeError, messageOf, systemCode } from '../base/errors.ts'
import { makeFolders, privateMode } from '../base/files/folders.ts'
import type { IoOptions } from '../base/io.ts'
import { memoryShares } from '../base/memory.ts'
import { dataFolder, type Endpoint, proofOf, readEndpoint } from './endpoint.ts'

export interface LaunchOptions extends IoOptions {
  readonly clock?: Clock
  /** How long to wait for a server that answers. */
  readonly deadlineMs?: number
  /** Ends itself after this long without a request. */
  readonly idleMs?: number
  readonly port?: number
}

/** True when the server that wrote this endpoint answers there. Nobody else is sent the password. */
export async function isAlive(endpoint: Endpoint, { signal }: IoOptions = {}): Promise<boolean> {
  const { url, username, password } = endpoint
  const ask = async (path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> => {
    const response = await fetch(`${url}${path}`, {
      headers,
      redirect: 'error',
      signal: AbortSignal.any([AbortSignal.timeout(2_000), ...(signal === undefined ? [] : [signal])]),
    })
    return response.ok ? await response.text() : ''
  }
  try {
    const challenge = randomBytes(24).toString('hex')
    if ((await ask(`/proof?challenge=${challenge}`)) !== `${proofOf(endpoint, challenge)}\n`) return false
    const query = `/?query=${encodeURIComponent("SELECT 'lakeshore'")}`
    const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password }
    return (await ask(query, headers)) === 'lakeshore\n'
  } catch {
    // Nothing listens there, or something else does: either way this is not our server.
    signal?.throwIfAborted()
    return false
  }
}

/** Whether a server of the home has written data, and none serves them now. Starts nothing. */
export async function isAtRest(home: string, { signal }: IoOptions = {}): Promise<boolean> {
  const data = await readdir(dataFolder(home)).catch(() => [])
  if (data.length === 0) return false
  const found = await readEndpoint(home)
  return found === undefined || !send(found.pid, 0) || !(await isAlive(found, { signal }))
}

/**
 * The endpoint of a server that answers.
 * @throws LakeError `CLICKHOUSE_UNAVAILABLE` with the end of its log when none answers in time.
 */
export async function findOrStart(
  home: string,
  { signal, clock = systemClock, deadlineMs = 30_000, idleMs = 60_000, port = 0 }: LaunchOptions = {},
): Promise<Endpoint> {
  const deadline = clock.now() + deadlineMs
  let child: ChildProcess | undefined
  for (;;) {
    signal?.throwIfAborted()
    const found = await readEndpoint(home)
    // A server that has just taken the place of another may answer before the file names it.
    if (found !== undefined && send(found.pid, 0) && (await isAlive(found, { signal }))) return found
    if (clock.now() >= deadline) break
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      if (child !== undefined) await clock.sleep(200, { signal })
      child = await start(home, idleMs, port)
    }
    await clock.sleep(30, { signal })
  }
  const message = `start ClickHouse in ${resolve(home)}: expected an answer within ${deadlineMs} ms, got none`
  throw new LakeError('CLICKHOUSE_UNAVAILABLE', message, {
    details: { home: resolve(home), log: logFile(home), endOfLog: await endOfLog(home) },
  })
}

/**
 * Ends the server of a home in order, if one answers. A client that still uses it starts another on demand.
 *
 * @returns false when it was still there after `deadlineMs`; it then ends by itself when idle.
 */
export async function endServer(
  home: string,
  {
    signal,
    clock = systemClock,
    deadlineMs = 8_000,
  }: Pick<LaunchOptions, 'signal' | 'clock' | 'deadlineMs'> = {},
): Promise<boolean> {
  const found = await readEndpoint(home)
  // Only a server that knows the password is ours: the file may be old, and the number another process's by now.
  if (found === undefined || !(await isAlive(found, { signal }))) return true
  const deadline = clock.now() + deadlineMs
  send(found.pid, 'SIGTERM')
  while (send(found.pid, 0)) {
    if (clock.now() >= deadline) return false
    await clock.sleep(25, { signal })
  }
  return true
}

/** @returns false when there is no such process. */
function send(pid: number, what: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, what)
  } catch {
    return false
  }
}

const logFile = (home: string): string => join(resolve(home), 'logs', 'clickhouse.log')

/** Of an error in a line of JSON. */
const stackFrame = /\\n +at (?:(?!\\n)[^"])*/g

async function endOfLog(home: string): Promise<string> {
  const text = await readFile(logFile(home), 'utf8').catch(() => '(no log)')
  const lines = text.trimEnd().split('\n').slice(-3)
  return lines.map((line) => line.replaceAll(stackFrame, '').slice(-600)).join('\n')
}

/** @throws LakeError `DISK_FULL`, `FILES_EXHAUSTED` or `FILE_UNWRITABLE`, naming the log file. */
async function openLog(home: string): Promise<number> {
  try {
    await makeFolders(join(resolve(home), 'logs'), privateMode)
    return openSync(logFile(home), 'a', 0o600)
  } catch (cause) {
    const code = systemCode(cause) ?? ''
    const known = ['ENOSPC', 'EDQUOT'].includes(code)
      ? 'DISK_FULL'
      : ['EMFILE', 'ENFILE'].includes(code)
        ? 'FILES_EXHAUSTED'
        : 'FILE_UNWRITABLE'
    throw new LakeError(known, `start ClickHouse: open ${logFile(home)}: ${messageOf(cause)}`, { cause })
  }
}

async function start(home: string, idleMs: number, port: number): Promise<ChildProcess> {
  const log = await openLog(home)
  const isSource = import.meta.url.endsWith('.ts')
  const loader = isSource
    ? ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href]
    : []
  const entry = fileURLToPath(new URL(isSource ? './server.main.ts' : './server.main.js', import.meta.url))
  const settings = {
    home: resolve(home),
    log: logFile(home),
    port,
    'idle-ms': idleMs,
    'memory-bytes': memoryShares().clickhouse,
  }
  const options = Object.entries(settings).map(([name, value]) => `--${name}=${value}`)
  try {
    const child = spawn(process.execPath, [...loader, entry, ...options], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: resolve(home),
      // Every statement that runs holds a thread of libuv, whose default is four.
      env: { TZ: 'UTC', HOME: homedir(), TMPDIR: tmpdir(), UV_THREADPOOL_SIZE: '32' },
    })
    // It then has no process number, and the wait for its answer ends with the log.
    child.on('error', () => undefined)
    child.unref()
    return child
  } finally {
    closeSync(log)
  }
}
