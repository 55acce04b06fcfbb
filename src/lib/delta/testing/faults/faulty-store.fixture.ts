/** A store that fails as real ones do: at a chosen call, for good, with an answer that is lost or comes late. */
import { LakeError } from '../../../base/errors.ts'
import type { IoOptions } from '../../../base/io.ts'
import { HookedStore, type StoreCall } from '../../../storage/store.hooked.ts'
import { MemoryStore } from '../../../storage/store.memory.ts'
import type { ObjectMeta, ObjectStore, PutOutcome } from '../../../storage/store.ts'

/**
 * - `refused`: the call is not made.
 * - `lost`: the call is made, and its answer does not come.
 * - `killed`: neither that call nor any after it is made.
 * - `late`: a put is made only when the caller has given it up and writes its next commit.
 */
export const faults = ['refused', 'lost', 'killed', 'late'] as const
export type Fault = (typeof faults)[number]

const writing: readonly StoreCall[] = ['putIfAbsent', 'put', 'delete', 'publish']

export class FaultyStore extends HookedStore {
  /** Calls so far, and those of them that write. */
  calls = 0
  readonly writes: number[] = []
  readonly #inner: ObjectStore
  #late: (() => Promise<unknown>) | undefined
  #fault: { readonly kind: Fault; readonly at: number } | undefined

  constructor(inner: ObjectStore, fault?: { readonly kind: Fault; readonly at: number }) {
    super(inner)
    this.#inner = inner
    this.#fault = fault
    let current = -1
    this.hooks.before = (call, key) => {
      current = this.calls++
      if (writing.includes(call)) this.writes.push(current)
      const { kind, at } = this.#fault ?? {}
      if (at === undefined || kind === undefined) return
      const isKilled = kind === 'killed' && current > at
      if (!isKilled && (current !== at || kind === 'lost' || (kind === 'late' && call === 'putIfAbsent')))
        return
      throw new LakeError('STORE_UNAVAILABLE', `Fault: ${kind} ${call} ${key}`)
    }
    this.hooks.after = (call, key) => {
      if (this.#fault?.kind !== 'lost' || current !== this.#fault.at) return
      throw new LakeError('STORE_UNAVAILABLE', `Fault: lost ${call} ${key}`)
    }
  }

  /** From here on all works; what is late comes with the next conditional put. */
  mend(): void {
    this.#fault = undefined
  }

  override async putIfAbsent(key: string, bytes: Uint8Array, options?: IoOptions): Promise<PutOutcome> {
    const late = this.#late
    this.#late = undefined
    await late?.()
    if (this.#fault?.kind === 'late' && this.#fault.at === this.calls) {
      this.#late = () => this.#inner.putIfAbsent(key, bytes)
      this.calls += 1
      throw new LakeError('STORE_UNAVAILABLE', `Fault: late putIfAbsent ${key}`)
    }
    return super.putIfAbsent(key, bytes, options)
  }
}

/** Lists a log without its newest commit, or each key twice, as often as `left` says. */
export class OddListing extends HookedStore {
  readonly #odd: 'stale' | 'doubled'
  #left: number

  constructor(inner: ObjectStore, odd: 'stale' | 'doubled', left = Number.POSITIVE_INFINITY) {
    super(inner)
    this.#odd = odd
    this.#left = left
  }

  override async *list(
    prefix: string,
    options?: IoOptions & { readonly startAfter?: string },
  ): AsyncIterable<ObjectMeta> {
    const isOdd = this.#left-- > 0
    const metas: ObjectMeta[] = []
    for await (const meta of super.list(prefix, options)) metas.push(meta)
    const newest = metas.findLast(({ key }) => /^_delta_log\/\d{20}\.json$/.test(key))
    for (const meta of metas) {
      if (isOdd && this.#odd === 'stale' && meta === newest) continue
      yield meta
      if (isOdd && this.#odd === 'doubled') yield meta
    }
  }
}

export async function copyOf(store: MemoryStore): Promise<MemoryStore> {
  const copy = await MemoryStore.open()
  for (const [key, stored] of store.files) copy.files.set(key, stored)
  return copy
}
