/** Port: where what a node says during an attempt is kept, for as long as its run is. */
import { type Logger, silentLogger } from '../base/log.ts'

export interface AttemptPlace {
  readonly runId: number
  readonly node: string
  /** From 1. */
  readonly attempt: number
}

export interface AttemptLog {
  /** Each line is kept before the call returns, so that it survives the process. */
  readonly logger: Logger
  /** To be called once, after the last line. */
  close(): Promise<void>
}

export interface AttemptLogs {
  /** Never throws: if the log cannot be kept, that is told elsewhere, and the node does its work. */
  open(place: AttemptPlace): AttemptLog
}

export const silentLogs: AttemptLogs = {
  open: () => ({ logger: silentLogger, close: async () => undefined }),
}
