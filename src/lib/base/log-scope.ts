/**
 * What is said during an attempt at a node belongs into the log of that attempt, whoever says it: the node, or a part
 * that was opened long before and has a logger of its own. The asynchronous context tells attempts apart that run
 * side by side.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { LogDetails, Logger } from './log.ts'

const current = new AsyncLocalStorage<Logger>()

/** Runs `work`; loggers made by `scopedLogger` tell `logger` too, until it has ended. */
export function withAttemptLogger<T>(logger: Logger, work: () => Promise<T>): Promise<T> {
  return current.run(logger, work)
}

/** Tells `logger`, and during an attempt the log of that attempt. */
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
