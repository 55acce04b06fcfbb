/** Where a run store is, read from its URL. No driver is loaded for that. */
import { LakeError } from '../base/errors.ts'
import type { MysqlAddress } from './database.mysql.ts'

export type RunStoreAddress =
  | { readonly kind: 'sqlite'; readonly path: string }
  | ({ readonly kind: 'mysql' } & MysqlAddress)

/** @throws LakeError `CONFIG_INVALID`, which never repeats the URL: it may hold a password. */
export function parseRunStoreUrl(url: string): RunStoreAddress {
  const path = /^sqlite:(?<path>.+)$/s.exec(url)?.groups?.['path']
  if (path !== undefined) return { kind: 'sqlite', path: path.replace(/^\/\/(?=\/)/, '') }
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !['mysql:', 'mariadb:'].includes(parsed.protocol)) {
    const got = parsed === undefined ? 'something else' : `${parsed.protocol}…`
    throw invalid(`sqlite:/path/file.db or mysql://user:password@host:port/database, got ${got}`)
  }
  const database = decoded(parsed.pathname.slice(1))
  if (parsed.hostname === '') throw invalid('a host after mysql://')
  if (database === '') throw invalid(`a database after ${parsed.host}/`)
  for (const name of parsed.searchParams.keys())
    if (name !== 'tls') throw invalid(`no parameter but tls, got ${name}`)
  const tls = parsed.searchParams.get('tls') ?? 'false'
  if (!['true', 'false'].includes(tls)) throw invalid(`tls to be true or false, got ${tls}`)
  return {
    kind: 'mysql',
    host: parsed.hostname,
    port: parsed.port === '' ? 3306 : Number(parsed.port),
    user: decoded(parsed.username),
    password: decoded(parsed.password),
    database,
    hasTls: tls === 'true',
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid('user, password and database percent-encoded: % is written %25')
  }
}

const invalid = (expected: string): LakeError =>
  new LakeError('CONFIG_INVALID', `URL of the run store: expected ${expected}`)
