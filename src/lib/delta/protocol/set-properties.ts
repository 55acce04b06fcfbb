/**
 * Checks the properties that a user sets.
 *
 * An unknown property of Delta is refused: its user expects that it has an effect.
 */
import { LakeError } from '../../base/errors.ts'
import { isSameName, sameNameIn } from '../schema/names.ts'
import { features } from './features.ts'
import type { StringMap } from './metadata.ts'
import { constraintPrefix, type TableProperty, tableProperties } from './properties.ts'

const featurePrefix = 'delta.feature.'

export interface SetProperties {
  /** What the table's configuration is to hold. */
  readonly properties: StringMap
  /** What the protocol is to list: `delta.feature.NAME = supported`. */
  readonly features: readonly string[]
}

/**
 * @param of `newTable` may have constraints, which no row can violate yet.
 * @throws LakeError `CONFIG_INVALID` naming the property and what it may be, `PROTOCOL_UNSUPPORTED` for a feature
 * that we cannot write.
 */
export function checkedProperties(given: StringMap, of: 'newTable' | 'table' = 'table'): SetProperties {
  const properties: Record<string, string> = {}
  const wanted: string[] = []
  for (const [key, value] of Object.entries(given)) {
    const name = knownName(key)
    if (name.startsWith(featurePrefix)) {
      wanted.push(featureOf(name, value))
    } else {
      requireProperty(name, value, of)
      properties[name] = value
    }
  }
  return { properties, features: wanted }
}

function propertyNamed(name: string): TableProperty<unknown> | undefined {
  return Object.values(tableProperties).find((each) => isSameName(each.name, name))
}

/** Of properties of Delta the case does not count; others are as they are given. */
function knownName(given: string): string {
  return propertyNamed(given)?.name ?? given
}

function requireProperty(name: string, value: string, of: 'newTable' | 'table'): void {
  const refuse = (what: string, fault?: string): LakeError =>
    new LakeError('CONFIG_INVALID', `Property ${name}: ${what}`, {
      details: { name, value, ...(fault !== undefined && { fault }) },
    })
  if (!name.toLowerCase().startsWith('delta.')) return
  if (name.startsWith(constraintPrefix)) {
    if (of === 'newTable') return
    throw refuse('a constraint is not set as a property', 'constraint-as-property')
  }
  const known = propertyNamed(name)
  if (known === undefined) throw refuse('there is no such property', 'property-unknown')
  if (known.role === 'kept') throw refuse('it is kept by the writer and cannot be set', 'property-fixed')
  if (!known.accepts(value)) throw refuse(`expected ${known.expected}, got '${value}'`)
}

function featureOf(property: string, value: string): string {
  const name = property.slice(featurePrefix.length)
  const known = sameNameIn(Object.keys(features), name)
  if (known === undefined || features[known]?.write === 'no' || features[known]?.read === 'no') {
    throw new LakeError('PROTOCOL_UNSUPPORTED', `Property ${property}: feature ${name} cannot be written`, {
      details: { feature: name },
    })
  }
  if (/^(supported|enabled)$/i.test(value)) return known
  throw new LakeError('CONFIG_INVALID', `Property ${property}: expected supported, got '${value}'`)
}

/** @throws LakeError `CONFIG_INVALID` for a property that is taken away in another manner. */
export function requireUnsettable(name: string): void {
  const instead = name.startsWith(constraintPrefix)
    ? 'drop the constraint instead'
    : name === tableProperties.columnMappingMode.name ||
        propertyNamed(name)?.role === 'kept' ||
        name.startsWith(featurePrefix)
      ? 'it cannot be taken back'
      : undefined
  if (instead === undefined) return
  throw new LakeError('CONFIG_INVALID', `Property ${name}: ${instead}`, {
    details: { name, fault: 'property-fixed' },
  })
}

/** The properties without the note of when in-commit timestamps began: it is another when they begin again. */
export function withoutInCommitTimestampsSince(configuration: StringMap): StringMap {
  const {
    [tableProperties.inCommitTimestampsSince.name]: _version,
    [tableProperties.inCommitTimestampsSinceMs.name]: _timestamp,
    ...others
  } = configuration
  return others
}
