/**
 * Finds the fields of the schema in Parquet files that name them differently: by field id, or by physical name at
 * depths where fields were added or dropped. Delta PROTOCOL.md, "Reader Requirements for Column Mapping".
 *
 * This reads footers, so it is called only if the names alone do not decide.
 */

import { LakeError } from '../../../base/errors.ts'
import type { IoOptions } from '../../../base/io.ts'
import { type ColumnType, columnTypes, type TypedColumn } from '../../../duckdb/column-type.ts'
import type { DuckDbSession } from '../../../duckdb/duckdb.ts'
import { defineBinaryFunction } from '../../../duckdb/scalar.ts'
import { identifier } from '../../../duckdb/sql-text.ts'
import { columnId, nameInFiles } from '../../schema/column-mapping.ts'
import { isSameName } from '../../schema/names.ts'
import { type DataType, duckDbType, type Field, type StructType } from '../../schema/schema.ts'
import { holds } from '../../schema/walk.ts'
import { type FileNames, unshredFunction, type VariantHolder } from './column-source.ts'
import { unshredded } from './variant.ts'

/** A node of a Parquet file's schema. */
interface Node {
  readonly name: string
  readonly fieldId: number | undefined
  /** Of DuckDB, where it has no children. */
  readonly type: string
  readonly isList: boolean
  /** Parquet knows the group as a variant. */
  isVariant: boolean
  readonly children: Node[]
}

export interface FileGroup {
  readonly names: FileNames
  /** Into the paths given, ascending. */
  readonly indexes: readonly number[]
}

/**
 * Files in groups that name the fields alike.
 *
 * @param source SQL for the list of `paths`, in a form that DuckDB takes for file names.
 */
export async function groupByLayout(
  session: DuckDbSession,
  fields: readonly Field[],
  mode: 'name' | 'id',
  {
    paths,
    source,
    sourceOf,
    signal,
  }: IoOptions & {
    readonly paths: readonly string[]
    readonly source: string
    readonly sourceOf: (path: string) => string
  },
): Promise<readonly FileGroup[]> {
  const trees = await readTrees(session, source, { signal })
  if (fields.some(({ type }) => holds(type, (inner) => inner === 'variant'))) {
    for (const [path, root] of trees) {
      markVariants(
        root,
        await columnTypes(session, `from read_parquet(${sourceOf(path)}, hive_partitioning = false)`),
      )
    }
  }
  const groups = new Map<string, { names: Layout; indexes: number[] }>()
  paths.forEach((path, index) => {
    const root = trees.get(path)
    if (root === undefined)
      throw new LakeError('SOURCE_FAILED', `Cannot read ${path}: it has no Parquet schema`)
    const layout = new Layout(mode)
    layout.resolveFields({ type: 'struct', fields }, root.children)
    const group = groups.get(layout.key)
    if (group === undefined) groups.set(layout.key, { names: layout, indexes: [index] })
    else group.indexes.push(index)
  })
  const shredded = new Set([...groups.values()].flatMap(({ names }) => names.shreddedTypes))
  for (const type of shredded) await defineBinaryFunction(session, unshredFunction(type), type, unshredded)
  return [...groups.values()]
}

class Layout implements FileNames {
  readonly #mode: 'name' | 'id'
  readonly #names = new Map<Field, string>()
  readonly #witnesses = new Map<StructType, string>()
  readonly #variants = new Map<VariantHolder, string>()
  /** The same for files that name the fields alike. */
  key = ''

  constructor(mode: 'name' | 'id') {
    this.#mode = mode
  }

  nameOf(field: Field): string | undefined {
    return this.#names.get(field)
  }

  witnessOf(struct: StructType): string | undefined {
    return this.#witnesses.get(struct)
  }

  variantType(holder: VariantHolder): string | undefined {
    return this.#variants.get(holder)
  }

  get shreddedTypes(): readonly string[] {
    return [...this.#variants.values()].filter((type) => type !== 'VARIANT')
  }

  resolveFields(struct: StructType, nodes: readonly Node[]): void {
    const [first] = nodes
    if (first !== undefined) this.#witnesses.set(struct, first.name)
    for (const field of struct.fields) {
      const node = field.type === 'void' ? undefined : nodes.find((each) => this.#isSame(field, each))
      this.key += `${node === undefined ? '' : JSON.stringify(node.name)},`
      if (node === undefined) continue
      this.#names.set(field, node.name)
      this.#resolve(field.type, node, field)
    }
  }

  #isSame(field: Field, node: Node): boolean {
    const id = columnId(field)
    if (this.#mode === 'id' && id !== undefined) return node.fieldId === id
    return isSameName(node.name, nameInFiles(field))
  }

  #resolve(type: DataType, node: Node, holder: VariantHolder): void {
    if (type === 'variant' && (node.isVariant || node.children.some(({ name }) => name === 'typed_value'))) {
      const stored = node.isVariant ? 'VARIANT' : typeOf(node)
      this.#variants.set(holder, stored)
      this.key += stored
    }
    if (typeof type === 'string') return
    this.key += '('
    if (type.type === 'struct') {
      this.resolveFields(type, node.children)
    } else if (type.type === 'array') {
      this.#resolve(type.elementType, elementOf(node), type)
    } else {
      const [key, value] = node.children[0]?.children ?? []
      if (key !== undefined) this.#resolve(type.keyType, key, type)
      if (value !== undefined) this.#resolve(type.valueType, value, type)
    }
    this.key += ')'
  }
}

/** DuckDB's `parquet_schema` does not say it; the type that DuckDB gives the group does. */
function markVariants({ children }: Node, fields: readonly TypedColumn[]): void {
  for (const { name, type } of fields) {
    const node = children.find((child) => child.name === name)
    if (node !== undefined) markVariant(node, type)
  }
}

function markVariant(node: Node, type: ColumnType): void {
  switch (type.kind) {
    case 'scalar':
      node.isVariant = type.name === 'VARIANT'
      return
    case 'struct':
      markVariants(node, type.fields)
      return
    case 'list':
      markVariant(elementOf(node), type.element)
      return
    case 'map': {
      const [, value] = node.children[0]?.children ?? []
      if (value !== undefined) markVariant(value, type.value)
      return
    }
    case 'decimal':
  }
}

/** Parquet LogicalTypes.md, "Lists": the repeated group is the element itself in files of old writers. */
function elementOf(node: Node): Node {
  const repeated = node.children[0]
  if (repeated === undefined) return node
  const [only, ...more] = repeated.children
  const isElement =
    only === undefined ||
    more.length > 0 ||
    repeated.name === 'array' ||
    repeated.name === `${node.name}_tuple`
  return isElement ? repeated : only
}

function typeOf(node: Node): string {
  if (node.children.length === 0) return node.type
  if (node.isList) return `${typeOf(elementOf(node))}[]`
  return `STRUCT(${node.children.map((child) => `${identifier(child.name)} ${typeOf(child)}`).join(', ')})`
}

async function readTrees(
  session: DuckDbSession,
  source: string,
  { signal }: IoOptions,
): Promise<ReadonlyMap<string, Node>> {
  const trees = new Map<string, Node>()
  let path: string | undefined
  /** Nodes that wait for children, the deepest last. */
  let open: { readonly node: Node; left: number }[] = []
  for await (const { rows } of session.chunks(
    `select file_name, name, field_id, num_children, type, duckdb_type, converted_type from parquet_schema(${source}) order by file_name, column_id`,
    { signal },
  )) {
    for (const row of rows) {
      const id = row['field_id']
      const node: Node = {
        name: String(row['name']),
        // What Parquet had for an instant before it had a type of it.
        type: row['type'] === 'INT96' ? duckDbType('timestamp') : String(row['duckdb_type']),
        isList: row['converted_type'] === 'LIST',
        isVariant: false,
        fieldId: id === null || id === undefined ? undefined : Number(id),
        children: [],
      }
      if (row['file_name'] !== path) {
        path = String(row['file_name'])
        trees.set(path, node)
        open = []
      } else {
        const parent = open.at(-1)
        parent?.node.children.push(node)
        if (parent !== undefined) parent.left -= 1
      }
      open.push({ node, left: Number(row['num_children'] ?? 0) })
      while (open.at(-1)?.left === 0) open.pop()
    }
  }
  return trees
}
