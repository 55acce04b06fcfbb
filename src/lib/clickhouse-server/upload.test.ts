import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it, vi } from 'vitest'
import { checkRoom, receive } from './upload.ts'

describe('receive(request, query, folder, signal)', () => {
  it.each([
    ['NOT_ENOUGH_SPACE', 243, Object.assign(new Error('ENOSPC: no space left, write'), { code: 'ENOSPC' })],
    ['TOO_MANY_SIMULTANEOUS_QUERIES', 202, Object.assign(new Error('EMFILE, open'), { code: 'EMFILE' })],
    ['CANNOT_OPEN_FILE', 76, Object.assign(new Error('EROFS: read-only'), { code: 'EROFS' })],
    ['CANNOT_READ_ALL_DATA', 33, new Error('aborted')],
  ])('says %s of a body that it cannot keep, and keeps none of it', async (type, code, failure) => {
    async function* body(): AsyncIterable<Buffer> {
      yield Buffer.alloc(100_000, '{"a":1}\n')
      throw failure
    }
    const folder = await mkdtemp(join(tmpdir(), 'body-'))
    const request = Object.assign(Readable.from(body(), { objectMode: false }), { headers: {} })
    const { signal } = new AbortController()

    const options = { folder, maxQueryBytes: 262_144, signal }
    await expect(receive(request, 'INSERT INTO t FORMAT JSONEachRow', options)).rejects.toMatchObject({
      code,
      type,
    })

    expect(await readdir(folder)).toEqual([])
    await rm(folder, { recursive: true })
  })

  it('copies a long statement a few times, however many pieces it comes in', async () => {
    const pieces = 1 << 9
    async function* body(): AsyncIterable<Buffer> {
      yield Buffer.from("SELECT '")
      for (let piece = 0; piece < pieces; piece++) yield Buffer.alloc(1 << 12, 'x')
      yield Buffer.from("'")
    }
    const request = Object.assign(Readable.from(body()), { headers: {} })
    const concat = vi.spyOn(Buffer, 'concat')

    const { sql } = await receive(request, '', {
      folder: tmpdir(),
      maxQueryBytes: Number.POSITIVE_INFINITY,
      signal: new AbortController().signal,
    })

    const copied = concat.mock.results.reduce((sum, { value }) => sum + value.byteLength, 0)
    concat.mockRestore()
    expect(sql).toBe(`SELECT '${'x'.repeat(pieces << 12)}'`)
    expect(copied).toBeLessThan(3 * sql.length)
  })
})

describe('a statement longer than max_query_size', () => {
  it('is refused before the rest of it is read', async () => {
    let read = 0
    async function* body(): AsyncIterable<Buffer> {
      yield Buffer.from("SELECT '")
      for (let piece = 0; piece < 10_000; piece++) {
        read += 1 << 16
        yield Buffer.alloc(1 << 16, 'x')
      }
    }
    const request = Object.assign(Readable.from(body()), { headers: {} })
    const options = { folder: tmpdir(), maxQueryBytes: 262_144, signal: new AbortController().signal }

    await expect(receive(request, '', options)).rejects.toMatchObject({ code: 62 })
    expect(read).toBeLessThan(4 << 20)
  })
})

describe('checkRoom(folder)', () => {
  it('leaves nothing behind, and says when the data of an insert would find no place', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'body-'))

    await checkRoom(folder)

    expect(await readdir(folder)).toEqual([])
    await rm(folder, { recursive: true })
    await expect(checkRoom(folder)).rejects.toMatchObject({ code: 76, type: 'CANNOT_OPEN_FILE' })
  })
})
