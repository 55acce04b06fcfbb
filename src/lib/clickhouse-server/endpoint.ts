/**
 * Where the embedded server is: `<home>/clickhouse.json`, mode 600.
 *
 * The file may outlive its server, and another process may listen on its port by then. So a client asks for a
 * proof before it sends the password: only the server that wrote the file can compute it.
 */
import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isLakeError, systemCode } from '../base/errors.ts'
import { makeFolders, privateMode } from '../base/files/folders.ts'
import { replaceFile } from '../base/files/replace-file.ts'
import { parseJson } from '../base/json.ts'

export interface Endpoint {
  readonly url: string
  readonly username: string
  readonly password: string
  readonly pid: number
}

/**
 * What the server answers to `/proof?challenge=…`. The URL is part of it, so that nobody can pass the challenge on to
 * the server and its answer back. So is all else that the file says: a damaged number would name another process.
 */
export function proofOf({ url, username, password, pid }: Endpoint, challenge: string): string {
  const text = `lakeshore proof ${url} ${username} ${pid} ${challenge}`
  return createHmac('sha256', password).update(text).digest('hex')
}

/** What the server serves. */
export const dataFolder = (home: string): string => join(home, 'clickhouse')

export const endpointFile = (home: string): string => join(home, 'clickhouse.json')

/** What the file says; undefined where there is none, or none that makes sense. */
export async function readEndpoint(home: string): Promise<Endpoint | undefined> {
  try {
    const found = parseJson(await readFile(endpointFile(home), 'utf8'), endpointFile(home))
    return isEndpoint(found) ? found : undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || isLakeError(error, 'SOURCE_FAILED')) return undefined
    throw error
  }
}

/** Replaces the file whole. */
export async function writeEndpoint(home: string, endpoint: Endpoint): Promise<void> {
  await makeFolders(home, privateMode)
  await replaceFile(endpointFile(home), `${JSON.stringify(endpoint)}\n`, { mode: 0o600 })
}

function isEndpoint(value: unknown): value is Endpoint {
  if (typeof value !== 'object' || value === null) return false
  const has = (name: string, type: string): boolean => typeof Reflect.get(value, name) === type
  return (
    has('url', 'string') && has('username', 'string') && has('password', 'string') && has('pid', 'number')
  )
}
