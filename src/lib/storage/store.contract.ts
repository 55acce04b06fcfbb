/** What any `ObjectStore` must do. Each adapter's test calls this once, so all mean the same thing. */
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import type { ObjectStore } from './store.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (content: Uint8Array): string => new TextDecoder().decode(content)

export function describeObjectStore(adapter: string, open: () => Promise<ObjectStore>): void {
  describe(`ObjectStore contract: ${adapter}`, () => {
    it('lets exactly one of many racing writers create a key, and keeps that one’s bytes', async () => {
      await using store = await open()

      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, writer) =>
          store.putIfAbsent('log/00.json', bytes(`writer ${writer}`)),
        ),
      )

      const winner = outcomes.indexOf('created')
      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1)
      expect(text(await store.read('log/00.json'))).toBe(`writer ${winner}`)
    })

    it('lists keys at any depth in byte order, after the given key', async () => {
      await using store = await open()
      const keys = ['log/\u{1F600}', 'log/\uFFFD', 'log/2', 'log/10', 'log/1', 'log/1/x', 'log/1.y', 'data/1']
      for (const key of keys) {
        // A file and a folder of one name cannot both be on a disk; object stores allow them.
        if (key !== 'log/1') await store.putIfAbsent(key, bytes(key))
      }

      const listed = []
      for await (const { key } of store.list('log/', { startAfter: 'log/1' })) listed.push(key)

      expect(listed).toEqual(['log/1.y', 'log/1/x', 'log/10', 'log/2', 'log/\uFFFD', 'log/\u{1F600}'])
    })

    it('finds nothing, and no error, below a prefix that is not there', async () => {
      await using store = await open()

      const listed = []
      for await (const meta of store.list('nowhere/')) listed.push(meta)

      expect(listed).toEqual([])
    })

    it('rejects with the abort reason instead of ending a listing early', async () => {
      await using store = await open()
      await store.putIfAbsent('log/1', bytes('1'))
      const reason = new Error('shutting down')

      const listing = (async () => {
        for await (const _ of store.list('log/', { signal: AbortSignal.abort(reason) })) void _
      })()

      await expect(listing).rejects.toBe(reason)
    })

    it('says OBJECT_MISSING with the key for what is not there, and head answers undefined', async () => {
      await using store = await open()

      await expect(store.read('none')).rejects.toSatisfy((error) => isLakeError(error, 'OBJECT_MISSING'))
      expect(await store.head('none')).toBeUndefined()
    })

    it('replaces with put, and reports size and time', async () => {
      await using store = await open()
      await store.put('hint', bytes('one'))

      await store.put('hint', bytes('three'))

      const meta = await store.head('hint')
      expect(text(await store.read('hint'))).toBe('three')
      expect(meta?.sizeBytes).toBe(5)
      expect(Math.abs(Date.now() - (meta?.modifiedMs ?? 0))).toBeLessThan(60_000)
    })

    it('gives other content of a key another revision, the same in a listing', async () => {
      await using store = await open()
      await store.put('hint', bytes('one'))
      const first = await store.head('hint')
      const again = await store.head('hint')

      await store.put('hint', bytes('two'))

      const second = await store.head('hint')
      const listed = []
      for await (const meta of store.list('hint')) listed.push(meta.revision)
      expect(again?.revision).toBe(first?.revision)
      expect(second?.revision).not.toBe(first?.revision)
      expect(listed).toEqual([second?.revision])
    })

    it('keeps keys with percent signs, spaces and non-ASCII letters as they are', async () => {
      await using store = await open()
      const key = 'part=p%2F q+é😀/file'
      await store.put(key, bytes('x'))

      const listed = []
      for await (const meta of store.list('part=')) listed.push(meta.key)

      expect(listed).toEqual([key])
    })

    it('deletes what is there and does not mind what is not', async () => {
      await using store = await open()
      await store.put('a', bytes('a'))

      await store.delete(['a', 'b'])

      expect(await store.head('a')).toBeUndefined()
    })

    it('publishes files written below the staging root, and hands them out as local files', async () => {
      await using store = await open()
      const path = join(store.stagingRoot, 'd=1/part-1.parquet')
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, 'columns')

      await store.publish(['d=1/part-1.parquet'])

      expect(text(await store.read('d=1/part-1.parquet'))).toBe('columns')
      expect(await readFile(await store.localFile('d=1/part-1.parquet'), 'utf8')).toBe('columns')
    })

    it.each([
      '../evil',
      '..',
      'a/../../evil',
      'a/b/../../../evil',
      'nul\0',
    ])('refuses the key %j, which is not below the root, in every call', async (key) => {
      await using store = await open()
      await mkdir(store.stagingRoot, { recursive: true })
      const beside = resolve(store.stagingRoot, '..', 'evil')
      const calls: readonly (() => Promise<unknown>)[] = [
        () => store.read(key),
        () => store.head(key),
        () => store.put(key, bytes('x')),
        () => store.putIfAbsent(key, bytes('x')),
        () => store.delete(['a', key]),
        () => store.localFile(key),
        () => store.publish([key]),
        () => store.list(key)[Symbol.asyncIterator]().next(),
      ]
      for (const call of calls) {
        await expect(call()).rejects.toSatisfy((error) => isLakeError(error, 'BUG'))
      }
      expect(existsSync(beside)).toBe(false)
    })
  })
}
