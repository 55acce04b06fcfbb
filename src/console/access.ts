/**
 * Who may read a console that has a token: a program that sends it as `Authorization: Bearer …`, and a browser that
 * opened the page once with `?token=…` and got a cookie.
 *
 * The cookie is derived from the token and does not contain it. Scripts cannot read it, and no other site can make a
 * browser send it.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

export type AccessAnswer =
  | { readonly kind: 'granted' }
  | { readonly kind: 'refused' }
  /** The token was in the URL: the browser gets a cookie and goes to the URL without it. */
  | { readonly kind: 'signed in'; readonly cookie: string; readonly location: string }

export interface AccessRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly authorization: string | undefined
  readonly cookie: string | undefined
}

const cookieName = 'lakeshore_console'

/** @param token `undefined`: everybody may read. */
export function createAccess(token: string | undefined): (request: AccessRequest) => AccessAnswer {
  if (token === undefined) return () => ({ kind: 'granted' })
  const cookieValue = createHmac('sha256', token).update('lakeshore console').digest('base64url')

  return ({ method, url, authorization = '', cookie = '' }) => {
    const bearer = /^Bearer (?<token>\S+)$/i.exec(authorization)?.groups?.['token']
    const held = cookie.split(';').map((pair) => pair.trim())
    const isKnown =
      (bearer !== undefined && isSame(bearer, token)) ||
      held.some((pair) => isSame(pair, `${cookieName}=${cookieValue}`))
    if (isKnown) return { kind: 'granted' }
    const [path = '/', query = ''] = url.split('?')
    const parameters = new URLSearchParams(query)
    if (method !== 'GET' || !isSame(parameters.get('token') ?? '', token)) return { kind: 'refused' }
    parameters.delete('token')
    const rest = parameters.size === 0 ? '' : `?${parameters}`
    return {
      kind: 'signed in',
      cookie: `${cookieName}=${cookieValue}; Path=/; HttpOnly; SameSite=Strict`,
      // One slash: a browser takes two for the name of another host.
      location: `/${path.replace(/^[/\\]+/, '')}${rest}`,
    }
  }
}

/** In a time that does not tell how much of it is right. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
