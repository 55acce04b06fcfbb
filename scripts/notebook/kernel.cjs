/**
 * Loaded into the kernel before all else.
 *
 * What fails after its cell has ended (a timer, a promise that nobody awaited) reaches no cell for certain; where
 * LAKESHORE_LATE_FAILURES names a file, it is written there. And of a stack only the user's part is shown: below each
 * cell lie a dozen lines of the kernel and of Node.
 */
const { appendFileSync } = require('node:fs')

const ofKernel = new WeakSet()

Error.prepareStackTrace = (error, frames) => {
  const files = frames.map((frame) => frame.getFileName() ?? '')
  const isOurs = (file) => !/^node:|[\\/]node_modules[\\/](?:tslab|commander)[\\/]/.test(file)
  if (files.length > 0 && files.every((file) => /[\\/]tslab[\\/]dist[\\/]jupyter\.js$/.test(file))) {
    ofKernel.add(error)
  }
  const shown = frames.filter((_, index) => isOurs(files[index]))
  return [String(error), ...shown.map((frame) => `    at ${frame}`)].join('\n')
}

const path = process.env['LAKESHORE_LATE_FAILURES']
if (path !== undefined && path !== '') {
  const tell = (error) => {
    const text = error instanceof Error ? error.stack : String(error)
    // tslab trips over its own sockets when it is told to end.
    if (!ofKernel.has(error)) appendFileSync(path, `${text}\n`)
  }
  process.on('uncaughtExceptionMonitor', tell)
  process.on('unhandledRejection', tell)
}
