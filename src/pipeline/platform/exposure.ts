/** Whether people on the network can read the console without a password. */
import { isIP } from 'node:net'
import type { Config } from './config.ts'

/** What to warn of, or `undefined` where the console is on loopback or has a token. */
export function exposureOf({ host, token }: Config['console']): string | undefined {
  const isLoopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  if (isLoopback || token !== undefined) return undefined
  return `The console listens on ${host} without a token: whoever reaches this machine can read it`
}
