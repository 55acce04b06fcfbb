import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { receive } from './server.body.ts'

describe('receive(request, query, folder, signal)', () => {
  it.each([
    ['NOT_ENOUGH_SPACE', 243, Object.assign(new Error('ENOSPC: no space left, write'), { code: 'ENOSPC' })],
    ['CANNOT_READ_ALL_DATA', 33, new Error('aborted')],
  ])('says %s of a body that it cannot keep, and keeps none of it', async (type, code, failure) => {
    async function* body(): AsyncIterable<Buffer> {
      yield Buffer.alloc(100_000, '{"a":1}\n')
      throw failure
    }
    const folder = await mkdtemp(join(tmpdir(), 'body-'))
    const request = Object.assign(Readable.from(body(), { objectMode: false }), { headers: {} })
    const { signal } = new AbortController()

    await expect(receive(request, 'INSERT INTO t FORMAT JSONEachRow', folder, signal)).rejects.toMatchObject({
      code,
      type,
    })

    expect(await readdir(folder)).toEqual([])
    await rm(folder, { recursive: true })
  })
})
