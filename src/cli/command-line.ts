/** What every command gets: where to write, when to stop, and the platform, which is opened on first use. */
import type { Readable, Writable } from 'node:stream'
import { LakeError } from '../lib/base/errors.ts'
import { formatJson } from '../lib/base/json.ts'
import type { Gates } from '../pipeline/batch/audit/gate.ts'
import { openPlatform, type Platform } from '../pipeline/platform/compose.ts'
import { type Config, type Environment, readConfig } from '../pipeline/platform/config.ts'
import { createLogger } from './log.ts'
import { toJson } from './output/json-value.ts'
import { Output } from './output/output.ts'
import { Terminal } from './output/terminal.ts'

export interface CliIo {
  /** The process's own where it is absent. */
  readonly env?: Environment
  readonly stdout: Writable
  readonly stderr: Writable
  readonly stdin?: Readable
  /** Aborted when the command is to end. */
  readonly signal: AbortSignal
}

export class CommandLine {
  readonly io: CliIo
  readonly output: Output
  readonly terminal: Terminal
  /** As it was called, without its arguments: `lake table read`. */
  command: string | undefined
  isJson = false
  isDebug = false
  /** Of a command that runs until it is stopped: being stopped is then its normal end. */
  isEndless = false
  /** Of a command that did its work and has bad news. */
  exitCode = 0
  #config: Config | undefined
  #platform: Platform | undefined

  constructor(io: CliIo) {
    this.io = io
    this.output = new Output(io.stdout, io.signal)
    this.terminal = new Terminal(io.stderr)
  }

  get signal(): AbortSignal {
    return this.io.signal
  }

  /** @throws LakeError `CONFIG_INVALID` naming each variable that is wrong. */
  get config(): Config {
    this.#config ??= readConfig(this.io.env)
    return this.#config
  }

  /** Closed when the command has ended. */
  get platform(): Platform {
    const { logLevel } = this.config
    this.#platform ??= openPlatform(this.config, {
      logger: createLogger(this.terminal, {
        level: this.isDebug && logLevel === 'info' ? 'debug' : logLevel,
        hasStacks: this.isDebug,
      }),
      signal: this.signal,
      gates: { list: async (options) => (await this.#notebookGates()).list(options) },
    })
    return this.#platform
  }

  /** Loaded by a batch alone. */
  async #notebookGates(): Promise<Gates> {
    const [{ notebookGates }, { prepared }] = await Promise.all([
      import('./notebook/gates.ts'),
      import('./notebook/run.ts'),
    ])
    const { config, io, platform, signal, terminal } = this
    const prepare = () => prepared(config, io.env, { say: (line) => terminal.line(line), signal })
    return notebookGates({ platform, prepare })
  }

  /** The result of a command: one JSON document, or what people read. */
  async result(value: unknown, text: () => string): Promise<void> {
    this.terminal.done()
    await this.output.line(this.isJson ? formatJson(toJson(value)) : text())
  }

  /** Ends a finite command that was interrupted, after it has said how far it came. */
  requireFinished(): void {
    if (!this.signal.aborted) return
    const { reason } = this.signal
    throw reason instanceof Error ? reason : new LakeError('INTERRUPTED', 'Interrupted')
  }

  async close(): Promise<void> {
    this.terminal.done()
    await this.#platform?.[Symbol.asyncDispose]()
  }
}
