/** How far the time series look back, in minutes: kept in the address, so that a reload or a link shows the same. */
import { useState } from 'react'

export const ranges = [
  { minutes: 60, label: '1 h' },
  { minutes: 360, label: '6 h' },
  { minutes: 1440, label: '24 h' },
] as const

const name = 'minutes'

/** The range that an address names; the shortest where it names none that there is. */
export function rangeOf(search: string): number {
  const wanted = Number(new URLSearchParams(search).get(name))
  return ranges.find(({ minutes }) => minutes === wanted)?.minutes ?? ranges[0].minutes
}

/** The address with a range in it; all else in it stays. */
export function withRange(address: string, minutes: number): string {
  const url = new URL(address)
  url.searchParams.set(name, String(minutes))
  return url.href
}

export function useRange(): [number, (minutes: number) => void] {
  const [minutes, setMinutes] = useState(() => rangeOf(window.location.search))
  const choose = (chosen: number): void => {
    window.history.replaceState(null, '', withRange(window.location.href, chosen))
    setMinutes(chosen)
  }
  return [minutes, choose]
}
