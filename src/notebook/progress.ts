/** What is shown below a cell while it works: how far the query is, how long it takes, and how to end it. */
import { escapeHtml } from '../lib/notebook/html-table.ts'
import { type Output, sendOutput } from '../lib/notebook/output.ts'

/** Work that is done sooner shows nothing. */
const firstMs = 1_000
const everyMs = 500

let outputs = 0

/**
 * Shows a bar until it is disposed of, in a notebook that runs; elsewhere nothing.
 *
 * @param percent How far the work is, from 0 to 100; `undefined` while that is not known.
 */
export function showProgress(call: string, percent: () => number | undefined): Disposable {
  const startMs = performance.now()
  const name = `lakeshore-progress-${++outputs}`
  let isShown = false
  const draw = (): void => {
    const seconds = (performance.now() - startMs) / 1000
    isShown = sendOutput(progressOutput(call, seconds, percent()), { name, isUpdate: isShown }) || isShown
    timer = setTimeout(draw, everyMs).unref()
  }
  let timer = setTimeout(draw, firstMs).unref()
  return {
    [Symbol.dispose]() {
      clearTimeout(timer)
      if (isShown) sendOutput({ 'text/html': '', 'text/plain': '' }, { name, isUpdate: true })
    },
  }
}

export function progressOutput(call: string, seconds: number, percent: number | undefined): Output {
  const known = percent === undefined || percent < 0 ? undefined : Math.min(percent, 100)
  const bar =
    known === undefined
      ? '<progress></progress>'
      : `<progress value="${known.toFixed(1)}" max="100"></progress>`
  const share = known === undefined ? '' : ` ${Math.round(known)} %,`
  const words = `${call}:${share} ${seconds.toFixed(0)} s; interrupt the kernel to end it`
  return { 'text/html': `${bar} ${escapeHtml(words)}`, 'text/plain': words }
}
