import { describe, expect, it } from 'vitest'
import { propertiesOf, tableProperties } from './properties.ts'

const { targetFileBytes, autoCompact, logRetentionMs, enableRowTracking, maxColumnId } = tableProperties

describe('propertiesOf(configuration)', () => {
  it('gives what holds without them for a table that has none', () => {
    expect(propertiesOf({})).toMatchObject({
      appendOnly: false,
      checkpointInterval: 10,
      columnMappingMode: 'none',
      dataSkippingNumIndexedCols: 32,
      deletedFileRetentionMs: 604_800_000,
      enableExpiredLogCleanup: true,
      isolationLevel: undefined,
      targetFileBytes: undefined,
      writeStatsAsJson: true,
    })
  })

  it('reads words in any case of letters', () => {
    const properties = propertiesOf({ 'delta.appendOnly': 'TRUE', 'delta.columnMapping.mode': 'Name' })

    expect([properties.appendOnly, properties.columnMappingMode]).toEqual([true, 'name'])
  })

  it('takes a value that a flag, a word or a number cannot have for none', () => {
    const properties = propertiesOf({
      'delta.appendOnly': 'yes',
      'delta.isolationLevel': 'WriteSerializable',
      'delta.checkpointInterval': '0',
    })

    expect(properties).toMatchObject({ appendOnly: false, isolationLevel: undefined, checkpointInterval: 10 })
  })

  it.each([
    [logRetentionMs.name, 'logRetentionMs'],
    [targetFileBytes.name, 'targetFileBytes'],
    ['delta.columnMapping.mode', 'columnMappingMode'],
  ] as const)('refuses a value that %s cannot have, when it is asked for', (name, key) => {
    const properties = propertiesOf({ [name]: 'soon' })

    expect(properties.appendOnly).toBe(false)
    expect(() => properties[key]).toThrow(new RegExp(`^${name}: expected .*, got 'soon'$`))
  })
})

describe('a table property', () => {
  it.each([
    ['134217728', 134_217_728],
    ['128mb', 134_217_728],
    [' 128 M ', 134_217_728],
    ['512b', 512],
    ['1tb', 1_099_511_627_776],
  ])('accepts the size %j, and reads it', (value, bytes) => {
    expect(targetFileBytes.accepts(value)).toBe(true)
    expect(targetFileBytes.read({ [targetFileBytes.name]: value })).toBe(bytes)
  })

  it.each(['0', '', '1.5mb', '128 mib', '-1'])('does not accept %j for a size', (value) => {
    expect(targetFileBytes.accepts(value)).toBe(false)
  })

  it.each([
    'true',
    'false',
    'auto',
    'disabled',
  ] as const)('accepts auto-compaction %s, and reads it', (value) => {
    expect(autoCompact.accepts(value)).toBe(true)
    expect(autoCompact.read({ [autoCompact.name]: value.toUpperCase() })).toBe(value)
  })

  it('that turns on what cannot be written is read, and cannot be set', () => {
    expect(enableRowTracking.read({ [enableRowTracking.name]: 'true' })).toBe(true)
    expect([enableRowTracking.accepts('true'), enableRowTracking.accepts('false')]).toEqual([false, true])
  })

  it('has a name of its own', () => {
    const names = Object.values(tableProperties).map(({ name }) => name)

    expect(new Set(names).size).toBe(names.length)
    expect(maxColumnId.role).toBe('kept')
  })
})
