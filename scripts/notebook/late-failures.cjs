/**
 * Loaded into the kernel before all else. What fails after its cell has ended (a timer, a promise that nobody
 * awaited) reaches no cell for certain; where LAKESHORE_LATE_FAILURES names a file, it is written there.
 */
const { appendFileSync } = require('node:fs')

const path = process.env['LAKESHORE_LATE_FAILURES']
if (path !== undefined && path !== '') {
  const tell = (error) => {
    if (!isOfKernel(error)) appendFileSync(path, `${error instanceof Error ? error.stack : String(error)}\n`)
  }
  process.on('uncaughtExceptionMonitor', tell)
  process.on('unhandledRejection', tell)
}

/** tslab trips over its own sockets when it is told to end. */
function isOfKernel(error) {
  if (!(error instanceof Error) || error.stack === undefined) return false
  const frames = error.stack.split('\n').filter((line) => /^\s+at /.test(line))
  return frames.length > 0 && frames.every((line) => /[\\/]tslab[\\/]dist[\\/]jupyter\.js/.test(line))
}
