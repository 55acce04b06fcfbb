/**
 * Checks who may ask the console. Any web page can make a browser send requests to a local port. The name in `Host`
 * shows that the browser meant us, and refuses names that were rebound to our address. `Origin` shows that our own
 * page asked.
 */
import { isIP } from 'node:net'

export interface Guard {
  /** Why the request is refused, or `undefined` when it may go on. */
  refusal(request: {
    readonly method: string
    readonly host: string | undefined
    readonly origin: string | undefined
    readonly localPort: number | undefined
  }): string | undefined
}

export interface GuardOptions {
  /** Address that the console listens on. */
  readonly host: string
  /** 0: whatever port the socket says. */
  readonly port: number
  /** Further names, `name` or `name:port`, where a proxy or a container answers for us. */
  readonly allowedHosts?: readonly string[]
}

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']
const wildcards = ['0.0.0.0', '::', '']

export function createGuard({ host, port, allowedHosts = [] }: GuardOptions): Guard {
  const isWildcard = wildcards.includes(host)
  const named = [...loopbackNames, isIP(host) === 6 ? `[${host}]` : host.toLowerCase()]
  const further = allowedHosts.map((allowed) => allowed.toLowerCase())

  function isOurs(authority: string, localPort: number | undefined): boolean {
    const [, name = '', given] = /^(\[[0-9a-f:.]+\]|[^:]*)(?::(\d+))?$/.exec(authority) ?? []
    if (name === '') return false
    if (further.includes(authority) || further.includes(name)) return true
    // An address cannot be rebound, and a container's port may be published as another.
    if (isWildcard) return loopbackNames.includes(name) || isIP(name.replace(/^\[|\]$/g, '')) !== 0
    return named.includes(name) && Number(given ?? 80) === (port === 0 ? localPort : port)
  }

  return {
    refusal({ method, host: header, origin, localPort }) {
      const authority = header?.toLowerCase() ?? ''
      if (!isOurs(authority, localPort)) return 'the Host header names another host than this console'
      const isReading = method === 'GET' || method === 'HEAD'
      if (isReading || origin === undefined) return undefined
      return [`http://${authority}`, `https://${authority}`].includes(origin.toLowerCase())
        ? undefined
        : 'the request comes from another origin'
    },
  }
}

/** Scripts only from our own files; styles also inline, which plotly.js cannot do without. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}
