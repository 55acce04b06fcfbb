/**
 * Loaded into the kernel before all else: failures are told in the lines of the cell as it was written.
 *
 * - The kernel compiles a cell twice, and runs what comes out in a file without a name. Both source maps are kept, so that
 *   a stack names the line of the cell. Below the cell's own frames lie a dozen of the kernel and of Node: left out.
 * - Where LAKESHORE_CELL_FAILURES names a file, the line of each cell that throws is written there, one JSON a line.
 * - What fails after its cell has ended (a timer, a promise that nobody awaited) reaches no cell for certain; where
 *   LAKESHORE_LATE_FAILURES names a file, it is written there.
 *
 * The last expression of a cell shows itself: rows as a table, a figure as a chart. tslab prints it by the console that
 * its executor is made with, and prints nothing else by `log`.
 */
const { appendFileSync } = require('node:fs')
const Module = require('node:module')
const vm = require('node:vm')

// A call of the platform has many frames above that of the cell.
Error.stackTraceLimit = 50

/** By the text of a compiled cell, the maps that lead to its source. */
const mapsOf = new Map()
/** By the name of a cell that has run, how its lines are found. */
const placesOf = new Map()
const framesOf = new WeakMap()
const ofKernel = new WeakSet()

const inlineMap = /\n\/\/# sourceMappingURL=data:application\/json;base64,(.*)\s*$/
const mapComment = /\n\/\/# sourceMappingURL=.*\s*$/

const load = Module._load
Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain)
  if (request === '@tslab/typescript-for-tslab') return withMaps(loaded)
  const isExecutor = request === './executor' && /[\\/]tslab[\\/]dist[\\/]/.test(parent?.filename ?? '')
  return isExecutor ? withShow(loaded) : loaded
}

function withShow(executor) {
  return {
    ...executor,
    createExecutor: (folder, converters, console) => {
      const showing = Object.create(console)
      showing.log = (value) => {
        // What `lakeshore/notebook` has put there, as soon as a cell has imported it.
        if (globalThis[Symbol.for('lakeshore.show')]?.(value) !== true) console.log(value)
      }
      return executor.createExecutor(folder, converters, showing)
    },
  }
}

/**
 * tslab keeps one timer of the compiler, which it fires itself, and throws at a second one. The compiler has a second one
 * for the case that a file changes by which it has found a module: that is fired at once.
 */
function withSecondTimer(host) {
  const { setTimeout: set, clearTimeout: clear } = host
  const fired = {}
  host.setTimeout = (callback, ...more) => {
    if (callback.name !== 'invalidateResolutionsOfFailedLookup') return set(callback, ...more)
    callback()
    return fired
  }
  host.clearTimeout = (timer) => {
    if (timer !== fired) clear(timer)
  }
  return host
}

let compiler
function withMaps(ts) {
  compiler ??= {
    ...ts,
    createWatchCompilerHost: (files, options, ...more) =>
      withSecondTimer(
        ts.createWatchCompilerHost(
          files,
          { ...options, inlineSourceMap: true, inlineSources: true },
          ...more,
        ),
      ),
    transpileModule: (text, options) => {
      const first = inlineMap.exec(text)?.[1]
      if (first === undefined) return ts.transpileModule(text, options)
      const compilerOptions = { ...options.compilerOptions, sourceMap: true }
      const done = ts.transpileModule(text.replace(inlineMap, ''), { ...options, compilerOptions })
      const outputText = done.outputText.replace(mapComment, '')
      mapsOf.set(outputText, {
        first: JSON.parse(Buffer.from(first, 'base64').toString('utf8')),
        second: JSON.parse(done.sourceMapText),
      })
      return { ...done, outputText }
    },
  }
  return compiler
}

const run = vm.runInThisContext
vm.runInThisContext = (code, options) => {
  const { before = '', compiled } =
    /^(?<before>\((?:async )?function\(exports, require\) \{ )(?<compiled>[\s\S]*)\n\}\)\(__tslab__\.exports, __tslab__\.require\)$/.exec(
      code,
    )?.groups ?? {}
  const maps = mapsOf.get(compiled)
  if (maps === undefined) return run(code, options)
  mapsOf.delete(compiled)
  const filename = `cell-${placesOf.size + 1}.js`
  placesOf.set(filename, placesIn(maps, before.length))
  try {
    const answer = run(code, { ...options, filename, displayErrors: false })
    if (typeof answer?.then === 'function') answer.then(undefined, (error) => tellPlace(error, filename))
    return answer
  } catch (error) {
    tellPlace(error, filename)
    throw error
  }
}

/** @returns from a line and a column of the compiled cell, both from 1, to those of its source. */
function placesIn({ first, second }, indent) {
  const [toJavaScript, toModule] = [new Module.SourceMap(first), new Module.SourceMap(second)]
  const lines = first.sourcesContent?.[0]?.split('\n') ?? []
  return (line, column) => {
    const at = toModule.findEntry(line - 1, column - 1 - (line === 1 ? indent : 0))
    if (at.originalLine === undefined) return undefined
    const { originalLine, originalColumn } = toJavaScript.findEntry(at.originalLine, at.originalColumn)
    if (originalLine === undefined) return undefined
    // The kernel puts a line before the source.
    return { line: originalLine, column: originalColumn + 1, text: lines[originalLine]?.trim() ?? '' }
  }
}

function placeOf(frame) {
  return placesOf.get(frame.getFileName())?.(frame.getLineNumber(), frame.getColumnNumber())
}

Error.prepareStackTrace = (error, frames) => {
  const files = frames.map((frame) => frame.getFileName() ?? '')
  const isOurs = (file) =>
    !/^node:|[\\/]node_modules[\\/](?:tslab|commander)[\\/]|[\\/]kernel\.cjs$/.test(file)
  if (files.length > 0 && files.every((file) => /[\\/]tslab[\\/]dist[\\/]jupyter\.js$/.test(file))) {
    ofKernel.add(error)
  }
  framesOf.set(error, frames)
  const shown = frames
    .filter((_, index) => isOurs(files[index]))
    .map((frame) => `    at ${shownFrame(frame)}`)
  // The function that the kernel puts around a cell begins where its first call does.
  const distinct = shown.filter((line, index) => line !== shown[index - 1])
  return [String(error), ...distinct.slice(0, 10)].join('\n')
}

function shownFrame(frame) {
  const place = placeOf(frame)
  if (place === undefined) return String(frame)
  const name = frame.getFunctionName()
  const what = name === null || name === '' ? '' : ` in ${name}`
  return `line ${place.line} of the cell${what}: ${place.text}`
}

/** The innermost line of this cell, in the stack of the error or of what has caused it. */
function tellPlace(error, filename) {
  const path = process.env['LAKESHORE_CELL_FAILURES']
  if (path === undefined || path === '') return
  for (let each = error, depth = 0; each instanceof Error && depth < 10; each = each.cause, depth += 1) {
    // Frames are there once the stack was asked for.
    void each.stack
    const frame = framesOf.get(each)?.find((found) => found.getFileName() === filename)
    const place = frame && placeOf(frame)
    if (place === undefined) continue
    appendFileSync(path, `${JSON.stringify({ line: place.line, column: place.column })}\n`)
    return
  }
}

const lateFailures = process.env['LAKESHORE_LATE_FAILURES']
if (lateFailures !== undefined && lateFailures !== '') {
  const tell = (error) => {
    const text = error instanceof Error ? error.stack : String(error)
    // tslab trips over its own sockets when it is told to end.
    if (!ofKernel.has(error)) appendFileSync(lateFailures, `${text}\n`)
  }
  process.on('uncaughtExceptionMonitor', tell)
  process.on('unhandledRejection', tell)
}
