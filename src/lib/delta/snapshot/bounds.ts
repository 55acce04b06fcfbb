/** The least and the greatest value of a column in each file, from its statistics. */
import type { JsonValue } from '../../base/json.ts'
import type { AddFile } from '../log/actions.ts'
import { nameInFiles } from '../schema/column-mapping.ts'
import type { Field } from '../schema/schema.ts'
import { decodeStatistics } from './statistics.ts'

/** No row of the file has a value below `min` or above `max`. Numbers are texts of their digits, times ISO 8601. */
export type FileBounds =
  | { readonly kind: 'known'; readonly file: AddFile; readonly min: string; readonly max: string }
  /** The file may hold any value. */
  | { readonly kind: 'unknown'; readonly file: AddFile }

export function boundsOf(files: readonly AddFile[], field: Field): readonly FileBounds[] {
  const name = nameInFiles(field)
  return files.map((file) => {
    const statistics = decodeStatistics(file.stats)
    const [min, max] = [textOf(statistics?.minValues[name]), textOf(statistics?.maxValues[name])]
    return min === undefined || max === undefined
      ? { kind: 'unknown', file }
      : { kind: 'known', file, min, max }
  })
}

function textOf(value: JsonValue | undefined): string | undefined {
  return value === undefined || typeof value === 'object' ? undefined : String(value)
}
