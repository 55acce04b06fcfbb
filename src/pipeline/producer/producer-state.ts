/**
 * The state of a home's producer, in a file: how many users there are, and the history that it is making. A producer
 * that was killed goes on from there.
 *
 * The file has a checksum: with another seed or count, a history would be completed by events that are not its own.
 */
import { readFile } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import { LakeError, messageOf, systemCode } from '../../lib/base/errors.ts'
import { replaceFile } from '../../lib/base/files/replace-file.ts'
import type { MessageSink } from './sink.ts'

const historySchema = z.object({
  /** Cluster and topic of the log that it goes to. */
  log: z.string(),
  seed: z.int(),
  users: z.int().positive(),
  count: z.int().nonnegative(),
  days: z.int().positive(),
  untilMs: z.int(),
  lastDayCount: z.int().nonnegative().optional(),
})

const stateSchema = z.object({ users: z.int().positive(), history: historySchema.optional() })

type State = z.infer<typeof stateSchema>

/** Strict: if a bit of the name `checksum` is flipped, the file must not pass for one of a release without it. */
const fileSchema = z.strictObject({ ...stateSchema.shape, checksum: z.string().optional() })

/** All that names the events of a history: the same again gives the same bytes. */
export type PlannedHistory = z.infer<typeof historySchema>

const usersAtFirst = 100

export class ProducerState {
  readonly #path: string
  #users: number
  #history: PlannedHistory | undefined

  private constructor(path: string, { users, history }: State) {
    this.#path = path
    this.#users = users
    this.#history = history
  }

  /** @throws LakeError `CONFIG_INVALID` where the file is not what was written. */
  static async open(path: string): Promise<ProducerState> {
    return new ProducerState(path, await read(path))
  }

  /** The greatest user of whom a message was sent, or was about to be; some at first. */
  get users(): number {
    return this.#users
  }

  /** What was begun and not ended. */
  get history(): PlannedHistory | undefined {
    return this.#history
  }

  async begin(history: PlannedHistory): Promise<void> {
    await this.#write({ users: this.#users, history })
    this.#history = history
  }

  async end(): Promise<void> {
    await this.#write({ users: this.#users })
    this.#history = undefined
  }

  /**
   * Hands messages on, once it is written down how many users there are: were it written after them, a full disk
   * would have acknowledged messages sent again.
   */
  through(sink: MessageSink): MessageSink {
    return {
      append: async (messages, options) => {
        const users = messages.reduce((most, { key }) => Math.max(most, userOf(key)), this.#users)
        if (users > this.#users) {
          await this.#write({ users, history: this.#history })
          this.#users = users
        }
        await sink.append(messages, options)
      },
    }
  }

  #write(state: State): Promise<void> {
    const text = JSON.stringify({ ...state, checksum: checksumOf(state) })
    return replaceFile(this.#path, `${text}\n`, { what: 'producer' })
  }
}

function checksumOf(state: State): string {
  // By the schema, which puts the fields into one order.
  return crc32(JSON.stringify(stateSchema.parse(state)))
    .toString(16)
    .padStart(8, '0')
}

async function read(path: string): Promise<State> {
  try {
    const { checksum, ...state } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')))
    if (checksum !== undefined && checksum !== checksumOf(state)) {
      throw new Error('its content is not what was written')
    }
    return state
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { users: usersAtFirst }
    throw new LakeError('CONFIG_INVALID', `producer ${path}: cannot be read: ${messageOf(error)}`, {
      details: { fault: 'producer-file-damaged', path },
      cause: error,
    })
  }
}

function userOf(key: Uint8Array | null): number {
  const user = key === null ? Number.NaN : Number(Buffer.from(key).toString())
  return Number.isSafeInteger(user) ? user : 0
}
