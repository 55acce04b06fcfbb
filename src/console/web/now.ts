/** The present as the server sees it, second by second: ages then hold on a machine whose clock is wrong. */
import { useEffect, useState } from 'react'

/** Milliseconds since the epoch. `serverNow` is the server's time when `receivedMs` was ours. */
export function useNow(serverNow: string | undefined, receivedMs: number): number {
  const [clientMs, setClientMs] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setClientMs(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  const aheadMs = serverNow === undefined ? 0 : Date.parse(serverNow) - receivedMs
  return Math.max(clientMs, receivedMs) + aheadMs
}
