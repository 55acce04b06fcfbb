/** The rows of a declared schema as TypeScript types: what `readRows` gives, value by value. */
import type { ArrayType, DataType, Field, MapType, StructType } from './schema.ts'

interface Scalars {
  readonly string: string
  readonly long: bigint
  readonly integer: number
  readonly short: number
  readonly byte: number
  readonly float: number
  readonly double: number
  readonly boolean: boolean
  readonly binary: Uint8Array
  /** `2026-01-31`. */
  readonly date: string
  /** `2026-01-31T12:30:00.000001Z`. */
  readonly timestamp: string
  /** `2026-01-31T12:30:00.000001`. */
  readonly timestamp_ntz: string
  readonly void: null
  readonly variant: { readonly value: Uint8Array; readonly metadata: Uint8Array }
}

/** A value of the type that is not null. Decimals are text, so that no digit is lost. */
export type ValueOf<Type extends DataType> = Type extends keyof Scalars
  ? Scalars[Type]
  : Type extends `decimal(${number},${number})`
    ? string
    : Type extends ArrayType<infer Element>
      ? readonly (ValueOf<Element> | null)[]
      : Type extends MapType<infer Key, infer Entry>
        ? readonly { readonly key: ValueOf<Key>; readonly value: ValueOf<Entry> | null }[]
        : Type extends StructType
          ? RowOf<Type>
          : never

/** `RowOf<typeof schema>`, where `schema` was made with `structOf` and `field`. */
export type RowOf<Schema extends StructType> = {
  readonly [Column in Schema['fields'][number] as Column['name']]: FieldValue<Column>
}

type FieldValue<Column extends Field> = Column['nullable'] extends false
  ? ValueOf<Column['type']>
  : ValueOf<Column['type']> | null
