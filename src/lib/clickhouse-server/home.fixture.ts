/** For tests: a LAKE_HOME of its own, whose server is killed and whose files are removed at the end. */
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Endpoint, readEndpoint } from './endpoint.ts'

export interface Home extends AsyncDisposable {
  readonly path: string
  endpoint(): Promise<Endpoint>
  /** Signals every server of this home, and waits until they are gone. */
  end(signal: NodeJS.Signals): Promise<void>
  /** Processes that serve this home, or try to. */
  servers(): Promise<readonly number[]>
  /** One request as curl would make it, with the right password unless headers say otherwise. */
  ask(path: string, init?: RequestInit): Promise<Response>
}

export async function temporaryHome(): Promise<Home> {
  const path = await mkdtemp(join(tmpdir(), 'clickhouse-home-'))
  const endpoint = async (): Promise<Endpoint> => {
    const found = await readEndpoint(path)
    if (found === undefined) throw new Error(`no endpoint in ${path}`)
    return found
  }
  const servers = async (): Promise<readonly number[]> => {
    const isOurs = (line: string): boolean =>
      line.includes('server.main') && line.includes(`--home=${path}\0`)
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry) && isOurs(commandLineOf(entry)))
      .map(Number)
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    for (const pid of await servers()) {
      try {
        process.kill(pid, signal)
      } catch {
        // It has just ended by itself.
      }
    }
    await until(async () => (await servers()).length === 0)
  }
  return {
    path,
    endpoint,
    servers,
    end,
    ask: async (where, init = {}) => {
      const { url, username, password } = await endpoint()
      const headers = new Headers(init.headers)
      if (!headers.has('X-ClickHouse-User') && !headers.has('Authorization')) {
        headers.set('X-ClickHouse-User', username)
        headers.set('X-ClickHouse-Key', password)
      }
      return await fetch(`${url}${where}`, { ...init, headers })
    },
    [Symbol.asyncDispose]: async () => {
      await end('SIGKILL')
      await rm(path, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Nothing of a process that has just ended. A synchronous read is several times as fast here, and tests look often. */
function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** Waits for a condition; fails after `deadlineMs`. */
export async function until(condition: () => Promise<boolean>, deadlineMs = 60_000): Promise<void> {
  const deadline = Date.now() + deadlineMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('the condition did not come true in time')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
