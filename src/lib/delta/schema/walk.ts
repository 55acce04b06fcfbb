/** Walks through a type: elements of lists, keys and values of maps, fields of structs, at any depth. */
import type { DataType, Field, StructType } from './schema.ts'

/** The types that stand directly within a type, with the name that a path has for each: `element`, `key`, a column. */
export function partsOf(type: DataType): readonly (readonly [name: string, part: DataType])[] {
  if (typeof type === 'string') return []
  switch (type.type) {
    case 'struct':
      return type.fields.map(({ name, type: inner }) => [name, inner])
    case 'array':
      return [['element', type.elementType]]
    case 'map':
      return [
        ['key', type.keyType],
        ['value', type.valueType],
      ]
  }
}

/** Whether `type` is, or holds at any depth, a type for which `is` is true. */
export function holds(type: DataType, is: (type: DataType) => boolean): boolean {
  return is(type) || partsOf(type).some(([, part]) => holds(part, is))
}

/** All fields at any depth, each before those within it. */
export function fieldsOf(type: DataType): readonly Field[] {
  return fieldsWithPaths(type).map(({ field }) => field)
}

/** As `fieldsOf`, with the path of each. */
export function fieldsWithPaths(
  type: DataType,
  at: readonly string[] = [],
): readonly { readonly field: Field; readonly path: readonly string[] }[] {
  if (typeof type === 'object' && type.type === 'struct') {
    return type.fields.flatMap((field) => {
      const path = [...at, field.name]
      return [{ field, path }, ...fieldsWithPaths(field.type, path)]
    })
  }
  return partsOf(type).flatMap(([name, part]) => fieldsWithPaths(part, [...at, name]))
}

/** The columns of a struct and of the structs within it that are no structs themselves. */
export function leavesOf(
  { fields }: StructType,
  above: readonly Field[] = [],
): readonly (readonly Field[])[] {
  return fields.flatMap((field) => {
    const path = [...above, field]
    return typeof field.type === 'object' && field.type.type === 'struct'
      ? leavesOf(field.type, path)
      : [path]
  })
}

/** The schema with each of its fields changed, at any depth, each before those within it. */
export function changeFields(schema: StructType, change: (field: Field) => Field): StructType {
  const changed = (type: DataType): DataType => {
    if (typeof type === 'string') return type
    switch (type.type) {
      case 'struct':
        return changeFields(type, change)
      case 'array':
        return { ...type, elementType: changed(type.elementType) }
      case 'map':
        return { ...type, keyType: changed(type.keyType), valueType: changed(type.valueType) }
    }
  }
  return {
    ...schema,
    fields: schema.fields.map((field) => {
      const own = change(field)
      return { ...own, type: changed(own.type) }
    }),
  }
}
