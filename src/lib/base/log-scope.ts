/**
 * The log of an attempt has all lines that are logged during it: those of the node, and those of parts that were opened
 * before and have a logger of their own. Attempts that run side by side are told apart by the asynchronous context.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { LogDetails, Logger } from './log.ts'

const current = new AsyncLocalStorage<Logger>()

/** Runs `work`. Until it has ended, loggers made by `scopedLogger` write to `logger` as well. */
export function withAttemptLogger<T>(logger: Logger, work: () => Promise<T>): Promise<T> {
  return current.run(logger, work)
}

/** Writes to `logger`, and during an attempt to the log of that attempt as well. */
export function scopedLogger(logger: Logger): Logger {
  return logger instanceof ScopedLogger ? logger : new ScopedLogger(logger)
}

class ScopedLogger implements Logger {
  readonly #logger: Logger
  readonly #bindings: object

  constructor(logger: Logger, bindings: object = {}) {
    this.#logger = logger
    this.#bindings = bindings
  }

  debug(details: LogDetails, message: string): void {
    this.#logger.debug(details, message)
    current.getStore()?.debug({ ...this.#bindings, ...details }, message)
  }

  info(details: LogDetails, message: string): void {
    this.#logger.info(details, message)
    current.getStore()?.info({ ...this.#bindings, ...details }, message)
  }

  warn(details: LogDetails, message: string): void {
    this.#logger.warn(details, message)
    current.getStore()?.warn({ ...this.#bindings, ...details }, message)
  }

  error(details: LogDetails, message: string): void {
    this.#logger.error(details, message)
    current.getStore()?.error({ ...this.#bindings, ...details }, message)
  }

  child(bindings: object): Logger {
    return new ScopedLogger(this.#logger.child(bindings), { ...this.#bindings, ...bindings })
  }
}
