/** Colours of the charts, taken from the style sheet so that they change with light and dark. */
import { useSyncExternalStore } from 'react'

export interface Theme {
  readonly text: string
  readonly grid: string
  readonly surface: string
  readonly accent: string
  readonly series: readonly string[]
}

const darkness = window.matchMedia('(prefers-color-scheme: dark)')
let known: { readonly isDark: boolean; readonly theme: Theme } | undefined

/** The same object until the scheme changes. */
function readTheme(): Theme {
  if (known?.isDark === darkness.matches) return known.theme
  const style = getComputedStyle(document.documentElement)
  const color = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  const theme = {
    text: color('text-soft'),
    grid: color('line'),
    surface: color('surface'),
    accent: color('accent'),
    series: [1, 2, 3, 4, 5, 6].map((at) => color(`series-${at}`)),
  }
  known = { isDark: darkness.matches, theme }
  return theme
}

function subscribe(onChange: () => void): () => void {
  darkness.addEventListener('change', onChange)
  return () => darkness.removeEventListener('change', onChange)
}

export const useTheme = (): Theme => useSyncExternalStore(subscribe, readTheme)
