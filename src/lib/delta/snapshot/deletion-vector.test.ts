import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../storage/store.memory.ts'
import { type DeletionVector, decodeActions } from '../log/actions.ts'
import {
  deletionVectorPlace,
  encodeDeletionVectorFile,
  inlineDeletionVector,
  readDeletionVectors,
} from './deletion-vector.ts'
import { decodeRows, encodeRows } from './roaring.ts'
import { RowSet } from './row-set.ts'
import { decodeZ85, encodeZ85 } from './z85.ts'

/** The examples of Delta PROTOCOL.md, "JSON Example 1" to "3" of deletion vector descriptors. */
const specRows = [3, 4, 7, 11, 18, 29]
const specInline: DeletionVector = {
  storageType: 'i',
  pathOrInlineDv: 'wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L',
  sizeInBytes: 40,
  cardinality: 6,
}
const specRelative: DeletionVector = {
  storageType: 'u',
  pathOrInlineDv: 'ab^-aqEH.-t@S}K{vb[*k^',
  offset: 4,
  sizeInBytes: 40,
  cardinality: 6,
}
const uuid = 'd2c639aa-8816-431a-aaf6-d3fe2512ff61'

const rowsOf = (set: RowSet | undefined): readonly number[] => [...(set?.rows() ?? [])]

describe('deletionVectorPlace(vector)', () => {
  it('finds the file of a relative vector below its prefix', () => {
    expect(deletionVectorPlace(specRelative)).toEqual({
      kind: 'file',
      path: `ab/deletion_vector_${uuid}.bin`,
      offset: 4,
    })
  })

  it('takes an absolute path as it stands', () => {
    const path = `s3://mytable/deletion_vector_${uuid}.bin`

    expect(deletionVectorPlace({ ...specRelative, storageType: 'p', pathOrInlineDv: path })).toEqual({
      kind: 'file',
      path,
      offset: 4,
    })
  })

  it.each([
    { ...specInline, storageType: 'x' },
    { ...specInline, sizeInBytes: 400 },
    { ...specInline, pathOrInlineDv: 'wi5b' },
    { ...specRelative, pathOrInlineDv: 'short' },
  ])('refuses %o', (vector) => {
    expect(() => deletionVectorPlace(vector)).toThrow(/Deletion vector/)
  })
})

describe('decodeActions(bytes, file)', () => {
  it.each([
    'storageType',
    'pathOrInlineDv',
    'sizeInBytes',
    'cardinality',
  ])('refuses a deletion vector without %s, naming file and line', (name) => {
    const add = { path: 'x', partitionValues: {}, size: 1, deletionVector: { ...specInline, [name]: null } }
    const bytes = new TextEncoder().encode(JSON.stringify({ add }))

    expect(() => decodeActions(bytes, '7.json')).toThrow(`7.json, line 1: deletionVector without ${name}`)
  })
})

describe('readDeletionVectors(store, files)', () => {
  it('reads the inline example of the protocol', async () => {
    await using store = await MemoryStore.open()

    const [rows, none] = await readDeletionVectors(store, [
      { path: 'a', deletionVector: specInline },
      { path: 'b' },
    ])

    expect(rowsOf(rows)).toEqual(specRows)
    expect(none).toBeUndefined()
  })

  it('reads several vectors of one file', async () => {
    await using store = await MemoryStore.open()
    const sets = [RowSet.of(specRows), RowSet.of([0]), RowSet.range(5, 70_000)]
    const file = encodeDeletionVectorFile(sets, uuid)
    await store.put(file.key, file.bytes)

    const found = await readDeletionVectors(
      store,
      file.vectors.map((deletionVector) => ({ path: 'x', deletionVector })),
    )

    expect(found.map((rows) => rows?.bounds)).toEqual(sets.map(({ bounds }) => bounds))
    expect(file.vectors[0]).toMatchObject({ offset: 1, cardinality: 6 })
  })

  it.each([
    ['a flipped bit', (bytes: Uint8Array) => bytes.with(30, (bytes[30] ?? 0) ^ 1), {}],
    ['an unknown format', (bytes: Uint8Array) => bytes.with(0, 2), {}],
    ['a torn file', (bytes: Uint8Array) => bytes.slice(0, -1), {}],
    ['another size', (bytes: Uint8Array) => bytes, { sizeInBytes: 1 }],
    ['another cardinality', (bytes: Uint8Array) => bytes, { cardinality: 5 }],
  ])('refuses %s', async (_, damage, descriptor) => {
    await using store = await MemoryStore.open()
    const file = encodeDeletionVectorFile([RowSet.of(specRows)], uuid)
    await store.put(file.key, damage(file.bytes))
    const [vector] = file.vectors

    await expect(
      readDeletionVectors(store, [
        { path: 'x', deletionVector: { ...specInline, ...vector, ...descriptor } },
      ]),
    ).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
  })
})

describe('inlineDeletionVector(rows)', () => {
  it('is read back, also where its bytes are no multiple of four', async () => {
    await using store = await MemoryStore.open()
    const sets = [RowSet.of([7]), RowSet.of([1, 65_536, 65_538]), RowSet.range(0, 200_000)]

    const found = await readDeletionVectors(
      store,
      sets.map((rows) => ({ path: 'x', deletionVector: inlineDeletionVector(rows) })),
    )

    expect(found.map((rows) => rows?.bounds)).toEqual(sets.map(({ bounds }) => bounds))
  })
})

describe('decodeRows(encodeRows(rows))', () => {
  const even = (count: number, from = 0): readonly number[] =>
    Array.from({ length: count }, (_, index) => from + 2 * index)

  it.each([
    ['nothing', RowSet.empty],
    ['the first row', RowSet.of([0])],
    ['rows on both sides of 65,536', RowSet.of([65_535, 65_536, 131_071, 131_072])],
    ['rows on both sides of 2^32', RowSet.of([2 ** 32 - 1, 2 ** 32, 2 ** 33, 2 ** 40 + 5])],
    ['an array of 4,096 rows', RowSet.of(even(4_096))],
    ['a bitmap of 4,097 rows', RowSet.of(even(4_097))],
    ['a full container and a half', RowSet.range(0, 98_304)],
    ['a run over many containers', RowSet.range(100, 1_000_000)],
    [
      'all three kinds, with offsets',
      RowSet.of([...even(30_000), ...even(10, 200_000)]).union(RowSet.range(300_000, 400_000)),
    ],
    ['a run across 2^32', RowSet.range(2 ** 32 - 70_000, 2 ** 32 + 70_000)],
  ])('is the same for %s', (_, rows) => {
    const decoded = decodeRows(encodeRows(rows))

    expect(decoded.bounds).toEqual(rows.bounds)
    expect(decoded.cardinality).toBe(rows.cardinality)
  })

  it('keeps two billion rows in few bytes', () => {
    expect(encodeRows(RowSet.range(0, 2_147_484_000)).length).toBeLessThan(700_000)
  })

  it.each([0, 4, 12, 20, 30])('refuses bytes that end after %i', (length) => {
    expect(() => decodeRows(encodeRows(RowSet.of(specRows)).subarray(0, length))).toThrow(/Deletion vector/)
  })

  it('refuses another magic number', () => {
    const bytes = encodeRows(RowSet.of(specRows))

    expect(() => decodeRows(bytes.map((byte, at) => (at === 1 ? byte ^ 1 : byte)))).toThrow(/magic number/)
  })
})

describe('RowSet', () => {
  const [a, b] = [RowSet.of([1, 2, 3, 10, 11, 20]), RowSet.of([3, 4, 11, 30])]

  it('joins and subtracts', () => {
    expect(rowsOf(a.union(b))).toEqual([1, 2, 3, 4, 10, 11, 20, 30])
    expect(rowsOf(a.minus(b))).toEqual([1, 2, 10, 20])
    expect(rowsOf(b.minus(a))).toEqual([4, 30])
    expect(rowsOf(a.minus(RowSet.range(0, 100)))).toEqual([])
    expect(rowsOf(RowSet.range(0, 10).minus(RowSet.of([0, 5, 9])))).toEqual([1, 2, 3, 4, 6, 7, 8])
    expect(RowSet.of([4, 2, 3, 3]).bounds).toEqual([2, 5])
  })

  it('knows what it has', () => {
    expect([0, 1, 3, 4, 9, 10, 11, 12, 20, 21].map((row) => a.has(row))).toEqual([
      false,
      true,
      true,
      false,
      false,
      true,
      true,
      false,
      true,
      false,
    ])
    expect(RowSet.empty.has(0)).toBe(false)
  })
})

describe('decodeZ85(encodeZ85(bytes))', () => {
  it('is the example of the Z85 specification', () => {
    const bytes = Uint8Array.of(0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b)

    expect(encodeZ85(bytes)).toBe('HelloWorld')
    expect(Uint8Array.from(decodeZ85('HelloWorld'))).toEqual(bytes)
  })

  it.each(['abcd', 'ab"de', '#####'])('refuses %s', (encoded) => {
    expect(() => decodeZ85(encoded)).toThrow(/Z85/)
  })
})
