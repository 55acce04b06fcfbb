/** The columns that a change data feed adds to those of the table. Delta PROTOCOL.md, "Change Data Files". */
import { LakeError } from '../../base/errors.ts'
import type { StructType } from '../schema/schema.ts'
import type { StringMap } from './metadata.ts'
import { propertiesOf } from './properties.ts'

/** What a row of changes has besides the columns of the table. */
export const changeColumns = ['_change_type', '_commit_version', '_commit_timestamp'] as const

/**
 * Whether the changes of such a table can be written: to be asked before it is made so.
 *
 * @throws LakeError `SCHEMA_MISMATCH` naming a column that has the name of one of ours, where changes are wanted.
 */
export function requireRoomForChanges(schema: StructType, properties: StringMap, table: string): void {
  if (propertiesOf(properties).enableChangeDataFeed) requireNoChangeColumn(schema, table)
}

/** @throws LakeError `SCHEMA_MISMATCH` naming a column that has the name of one of ours. */
export function requireNoChangeColumn({ fields }: StructType, table: string): void {
  const taken = fields.find(({ name }) => changeColumns.some((each) => each === name.toLowerCase()))
  if (taken === undefined) return
  throw new LakeError(
    'SCHEMA_MISMATCH',
    `${table}: column ${taken.name} has the name of a column of changes`,
    {
      details: { table, column: taken.name, fault: 'change-column-taken' },
    },
  )
}
