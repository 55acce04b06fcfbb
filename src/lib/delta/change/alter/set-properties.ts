/** Sets and unsets table properties. Some of them turn on features: the protocol grows, and never shrinks. */
import { LakeError } from '../../../base/errors.ts'
import { formatJson } from '../../../base/json.ts'
import type { StringMap } from '../../protocol/metadata.ts'
import { propertiesOf, tableProperties } from '../../protocol/properties.ts'
import {
  checkedProperties,
  requireUnsettable,
  withoutInCommitTimestampsSince,
} from '../../protocol/set-properties.ts'
import type { DeltaTable } from '../../table.ts'
import type { WriteOutcome } from '../write.ts'
import { type AlterOptions, alterTable } from './alter.ts'

const mappingMode = tableProperties.columnMappingMode.name

/**
 * Sets properties, and leaves the others. `delta.columnMapping.mode = name` gives each column an id and its name in
 * files; `delta.feature.NAME = supported` lists a feature.
 *
 * @throws LakeError `CONFIG_INVALID` naming a property that there is not, or its value is not one of, or that cannot
 * be set so; `PROTOCOL_UNSUPPORTED` for a feature that we cannot write; and as `alterTable` does.
 */
export async function setProperties(
  table: DeltaTable,
  given: StringMap,
  options: AlterOptions = {},
): Promise<WriteOutcome> {
  const { properties: wanted, features } = checkedProperties(given)
  return alterTable(table, options, ({ metadata: { configuration }, protocol }) => {
    requireMappingChange(configuration[mappingMode], wanted[mappingMode], table.uri)
    const properties = withoutEnablement({ ...configuration, ...wanted })
    const listed = [...(protocol.writerFeatures ?? [])]
    const isSo =
      formatJson(properties) === formatJson(configuration) && features.every((name) => listed.includes(name))
    if (isSo) return undefined
    return {
      properties,
      features,
      operation: { name: 'SET TBLPROPERTIES', parameters: { properties: formatJson(given) } },
    }
  })
}

/**
 * Takes properties away; features stay listed.
 *
 * @throws LakeError `CONFIG_INVALID` for a property that cannot be taken away, or is not there, and as `alterTable`
 * does.
 */
export async function unsetProperties(
  table: DeltaTable,
  names: readonly string[],
  { ifExists = false, ...options }: AlterOptions & { readonly ifExists?: boolean } = {},
): Promise<WriteOutcome> {
  for (const name of names) requireUnsettable(name)
  return alterTable(table, options, ({ metadata: { configuration } }) => {
    const lower = names.map((name) => name.toLowerCase())
    const there = Object.keys(configuration).map((name) => name.toLowerCase())
    const missing = names.filter((name) => !there.includes(name.toLowerCase()))
    if (missing.length > 0 && !ifExists) {
      throw new LakeError('CONFIG_INVALID', `${table.uri}: property ${missing.join(', ')} is not set`, {
        details: { uri: table.uri, missing, fault: 'property-not-set' },
      })
    }
    if (missing.length === names.length) return undefined
    const kept = Object.entries(configuration).filter(([name]) => !lower.includes(name.toLowerCase()))
    return {
      properties: withoutEnablement(Object.fromEntries(kept)),
      operation: {
        name: 'UNSET TBLPROPERTIES',
        parameters: { properties: formatJson(names), ifExists },
      },
    }
  })
}

/** When in-commit timestamps began is noted while they are on. */
function withoutEnablement(configuration: StringMap): StringMap {
  return propertiesOf(configuration).enableInCommitTimestamps
    ? configuration
    : withoutInCommitTimestampsSince(configuration)
}

function requireMappingChange(from = 'none', to: string | undefined, uri: string): void {
  if (to === undefined || to.toLowerCase() === from.toLowerCase()) return
  if (from.toLowerCase() === 'none' && to.toLowerCase() === 'name') return
  throw new LakeError('CONFIG_INVALID', `${uri}: ${mappingMode} cannot become ${to}, it is ${from}`, {
    details: { uri, from, to, fault: 'mapping-fixed' },
  })
}
