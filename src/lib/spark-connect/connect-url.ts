/**
 * The address of a Spark Connect server: `sc://host:port/;use_ssl=true;token=…`.
 *
 * https://github.com/apache/spark/blob/master/sql/connect/docs/client-connection-string.md
 */
import { LakeError } from '../base/errors.ts'

export interface ConnectUrl {
  readonly host: string
  readonly port: number
  readonly usesTls: boolean
  /** A secret. */
  readonly token: string | undefined
}

const usualPort = 15_002
const known = ['use_ssl', 'token']

/** @throws LakeError `CONFIG_INVALID` that says what is wrong, and shows no value of a parameter. */
export function parseConnectUrl(text: string): ConnectUrl {
  const match =
    /^sc:\/\/(?<host>\[[0-9A-Fa-f:.]+\]|[^\s:/;@[\]]+)(?::(?<port>\d{1,5}))?(?:\/(?:;(?<rest>.*))?)?$/.exec(
      text,
    )
  const { host, port = `${usualPort}`, rest = '' } = match?.groups ?? {}
  if (host === undefined) throw invalid('expected sc://host:port, or sc://host:port/;use_ssl=true')
  if (Number(port) < 1 || Number(port) > 65_535) throw invalid(`expected a port from 1 to 65535, got ${port}`)
  const parameters = parametersOf(rest)
  const useSsl = parameters.get('use_ssl')
  if (useSsl !== undefined && useSsl !== 'true' && useSsl !== 'false') {
    throw invalid('use_ssl: expected true or false')
  }
  const token = parameters.get('token')
  return {
    host,
    port: Number(port),
    usesTls: useSsl === undefined ? token !== undefined : useSsl === 'true',
    token,
  }
}

function parametersOf(rest: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  for (const part of rest.split(';')) {
    if (part === '') continue
    const [name = '', ...value] = part.split('=')
    if (!known.includes(name))
      throw invalid(`the parameter ${name} is not known; there are ${known.join(', ')}`)
    if (value.join('=') === '') throw invalid(`the parameter ${name} has no value`)
    parameters.set(name, decoded(name, value.join('=')))
  }
  return parameters
}

function decoded(name: string, value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    throw invalid(`the value of ${name} is not URI-encoded`)
  }
}

/** A token that is sent without TLS can be read by anybody on the way; on the same machine there is no way. */
export function mayCarryToken({ host, usesTls }: Pick<ConnectUrl, 'host' | 'usesTls'>): boolean {
  return usesTls || ['localhost', '127.0.0.1', '[::1]'].includes(host)
}

const invalid = (what: string): LakeError => new LakeError('CONFIG_INVALID', `Spark Connect: ${what}`)
