/**
 * A store around another whose every call can be watched, held up, or made to fail, before it is made or after
 * it has been: how tests come between the steps of a writer, and lose its answers.
 */
import type { IoOptions } from '../base/io.ts'
import type { LocalFileOptions, ObjectMeta, ObjectStore, PutOutcome } from './store.ts'

export type StoreCall = 'read' | 'head' | 'list' | 'putIfAbsent' | 'put' | 'delete' | 'localFile' | 'publish'

/** Of `delete` and `publish` the first of the keys; of `list` the prefix. */
export type StoreHook = (call: StoreCall, key: string) => void | Promise<void>

export interface StoreHooks {
  /** What it throws, the caller gets, and the call is not made. */
  before?: StoreHook
  /** What it throws, the caller gets, though the call was made. */
  after?: StoreHook
}

export class HookedStore implements ObjectStore {
  /** May be set anew at any time. */
  readonly hooks: StoreHooks
  readonly #store: ObjectStore

  constructor(store: ObjectStore, hooks: StoreHooks = {}) {
    this.#store = store
    this.hooks = hooks
  }

  get uri(): string {
    return this.#store.uri
  }

  get stagingRoot(): string {
    return this.#store.stagingRoot
  }

  read(key: string, options?: IoOptions): Promise<Uint8Array> {
    return this.#hooked('read', key, () => this.#store.read(key, options))
  }

  head(key: string, options?: IoOptions): Promise<ObjectMeta | undefined> {
    return this.#hooked('head', key, () => this.#store.head(key, options))
  }

  async *list(
    prefix: string,
    options?: IoOptions & { readonly startAfter?: string },
  ): AsyncIterable<ObjectMeta> {
    await this.hooks.before?.('list', prefix)
    yield* this.#store.list(prefix, options)
    await this.hooks.after?.('list', prefix)
  }

  putIfAbsent(key: string, bytes: Uint8Array, options?: IoOptions): Promise<PutOutcome> {
    return this.#hooked('putIfAbsent', key, () => this.#store.putIfAbsent(key, bytes, options))
  }

  put(key: string, bytes: Uint8Array, options?: IoOptions): Promise<void> {
    return this.#hooked('put', key, () => this.#store.put(key, bytes, options))
  }

  delete(keys: readonly string[], options?: IoOptions): Promise<void> {
    return this.#hooked('delete', keys[0] ?? '', () => this.#store.delete(keys, options))
  }

  localFile(key: string, options?: LocalFileOptions): Promise<string> {
    return this.#hooked('localFile', key, () => this.#store.localFile(key, options))
  }

  publish(keys: readonly string[], options?: IoOptions): Promise<void> {
    return this.#hooked('publish', keys[0] ?? '', () => this.#store.publish(keys, options))
  }

  async #hooked<T>(call: StoreCall, key: string, work: () => Promise<T>): Promise<T> {
    await this.hooks.before?.(call, key)
    const result = await work()
    await this.hooks.after?.(call, key)
    return result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }
}
