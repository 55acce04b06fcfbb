import { describe, expect, it } from 'vitest'
import { decodeFilePath, encodeFilePath, fileIdentity } from './file-path.ts'

describe('encodeFilePath(key)', () => {
  it.each([
    ['part=p%2F q/x.parquet', 'part=p%252F%20q/x.parquet'],
    ['d=2026-01-01/é+😀.parquet', 'd=2026-01-01/%C3%A9%2B%F0%9F%98%80.parquet'],
  ])('encodes %s once more, and decoding gives it back', (key, path) => {
    expect(encodeFilePath(key)).toBe(path)
    expect(decodeFilePath(path)).toEqual({ kind: 'relative', key })
  })
})

describe('fileIdentity(path)', () => {
  it('is one for all spellings of an absolute path', () => {
    expect(new Set(['/x/y', 'file:/x/y', 'file:///x/y'].map(fileIdentity))).toEqual(new Set(['/x/y']))
  })

  it('does not take a plus for a blank', () => {
    expect(fileIdentity('a+b')).toBe('a+b')
  })
})

const strayed = [
  '../../evil/x',
  '..',
  '.',
  '',
  'a/../../x',
  'a/..',
  '%2e%2e/x',
  '.%2E/x',
  'a/%2e%2e%2f%2e%2e/x',
  'a%00b',
]

describe('decodeFilePath(path)', () => {
  it.each(strayed)('refuses %j, which names no file of the table', (path) => {
    for (const decode of [decodeFilePath, fileIdentity]) {
      expect(() => decode(path)).toThrow(expect.objectContaining({ code: 'LOG_CORRUPT' }))
    }
  })

  it.each([
    'a..b',
    '..a/x',
    'a/../b',
    'p=..%252F/x',
    'd=%2F../x%20y',
  ])('takes %s, which stays below it', (path) => {
    expect(decodeFilePath(path)).toEqual({ kind: 'relative', key: decodeURIComponent(path) })
  })
})
