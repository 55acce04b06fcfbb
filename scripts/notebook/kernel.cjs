/**
 * Loaded into the kernel before all else.
 *
 * What fails after its cell has ended (a timer, a promise that nobody awaited) reaches no cell for certain; where
 * LAKESHORE_LATE_FAILURES names a file, it is written there. And of a stack only the user's part is shown: below each
 * cell lie a dozen lines of the kernel and of Node.
 *
 * The last expression of a cell shows itself: rows as a table, a figure as a chart. tslab prints it by the console that
 * its executor is made with, and prints nothing else by `log`.
 */
const { appendFileSync } = require('node:fs')
const Module = require('node:module')

const load = Module._load
Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain)
  const isExecutor = request === './executor' && /[\\/]tslab[\\/]dist[\\/]/.test(parent?.filename ?? '')
  if (!isExecutor) return loaded
  return {
    ...loaded,
    createExecutor: (folder, converters, console) => {
      const showing = Object.create(console)
      showing.log = (value) => {
        // What `lakeshore/notebook` has put there, as soon as a cell has imported it.
        if (globalThis[Symbol.for('lakeshore.show')]?.(value) !== true) console.log(value)
      }
      return loaded.createExecutor(folder, converters, showing)
    },
  }
}

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
