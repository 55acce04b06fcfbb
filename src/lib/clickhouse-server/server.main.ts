/**
 * The process of the embedded ClickHouse. `launch.ts` starts it, with settings as arguments and the log as standard
 * output and standard error.
 *
 * Exit 0: ended on request, or idle. Exit 76 (the engine's own number): another process serves this home. Exit 1: any
 * other failure, which is in the log. It kills itself if its folders were replaced, or if a statement does not end.
 */
import { copyFileSync, fstatSync, ftruncateSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { isLakeError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { startServer } from './server.ts'

const maxLogBytes = 4 << 20

const { values } = parseArgs({
  options: {
    home: { type: 'string' },
    log: { type: 'string' },
    port: { type: 'string', default: '0' },
    'idle-ms': { type: 'string', default: '60000' },
    'memory-bytes': { type: 'string', default: `${2 ** 31}` },
  },
})

const write = (level: string, details: object, message: string): void => {
  const thrown: unknown = 'err' in details ? details.err : undefined
  const shown = thrown instanceof Error ? { err: thrown.stack } : details
  console.error(
    JSON.stringify({ time: new Date().toISOString(), level, message, pid: process.pid, ...shown }),
  )
}
const logger: Logger = {
  debug: () => undefined,
  info: (details, message) => write('info', details, message),
  warn: (details, message) => write('warn', details, message),
  error: (details, message) => write('error', details, message),
  child: () => logger,
}

/** The log is held open for appending by this process, so it is emptied in place. */
function boundLog(): void {
  if (values.log === undefined || fstatSync(2).size <= maxLogBytes) return
  copyFileSync(values.log, `${values.log}.1`)
  ftruncateSync(2, 0)
}

async function main(): Promise<void> {
  const server = await startServer({
    home: values.home ?? '.lake',
    port: Number(values.port),
    idleMs: Number(values['idle-ms']),
    memoryBytes: Number(values['memory-bytes']),
    logger,
  })
  logger.info({ url: server.endpoint.url }, 'ready')
  const bounding = setInterval(boundLog, 10_000)
  const asked = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => resolve(signal))
  })
  const reason = await Promise.race([asked, server.over])
  if (reason === 'folders replaced') {
    logger.error({ home: values.home }, 'the folders of this server were deleted or replaced: it ends')
    endNow()
  }
  logger.info({ reason }, 'ending')
  const isInOrder = await server.close()
  clearInterval(bounding)
  if (!isInOrder) {
    logger.error({}, 'a statement did not end when it was killed: the process is killed')
    endNow()
  }
  logger.info({}, 'ended')
}

/** At once, without another write of the engine. `process.exit` would wait for the threads of running statements. */
function endNow(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('the process is being killed')
}

boundLog()
main().then(
  () => process.exit(0),
  (error: unknown) => {
    logger.error({ err: error }, 'failed')
    process.exit(isLakeError(error, 'HOME_LOCKED') ? 76 : 1)
  },
)
