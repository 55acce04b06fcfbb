/** What our code asks of a logger: the part of pino's interface that we use, so that pino fits as it is. */

/** An error goes by the name of `err`: under any other its words are lost. */
export interface LogDetails {
  readonly [key: string]: unknown
  readonly error?: never
}

export interface Logger {
  debug(details: LogDetails, message: string): void
  info(details: LogDetails, message: string): void
  warn(details: LogDetails, message: string): void
  error(details: LogDetails, message: string): void
  child(bindings: object): Logger
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
}
