/** What has no types of its own: the part of plotly.js that the page uses, and style sheets. */
declare module '*.css'

declare module 'plotly.js-basic-dist-min' {
  export type Json =
    | string
    | number
    | boolean
    | null
    | undefined
    | readonly Json[]
    | { readonly [key: string]: Json }
  export type Trace = { readonly [key: string]: Json }
  export type Layout = { readonly [key: string]: Json }
  export type Config = { readonly [key: string]: Json }

  interface Plotly {
    /** Draws, or changes what is drawn to this, in place. */
    react(root: HTMLElement, data: readonly Trace[], layout: Layout, config: Config): Promise<HTMLElement>
    purge(root: HTMLElement): void
    Plots: { resize(root: HTMLElement): Promise<HTMLElement> }
  }

  const plotly: Plotly
  export default plotly
}
