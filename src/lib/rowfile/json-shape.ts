/**
 * What the values of JSON are at each place: which fields, lists, and types of texts, numbers and booleans.
 *
 * A place whose values are of several kinds, that has objects without a key, or that lies too deep, is a text: the
 * JSON as it is written. So is what the table knows as a scalar. Every other value has a place of its own.
 */
import { type ColumnType, mostColumns, type TypedColumn } from '../duckdb/column-type.ts'
import { quoted } from './fault.ts'
import type { JsonText } from './json-text.ts'
import { TextTypes, textType } from './text-type.ts'

/** Types nested deeper cost the reader of Parquet more than anyone waits for. */
export const maxTypeDepth = 12

interface FieldShape {
  readonly name: string
  readonly shape: Shape
  /** Of the object that had it last. */
  object: number
}

let objects = 0

export class Shape {
  readonly #known: ColumnType | undefined
  readonly #depth: number
  readonly #types = new TextTypes()
  readonly #fields = new Map<string, FieldShape>()
  /** By names in small letters. */
  readonly #spellings = new Map<string, string>()
  #element: Shape | undefined
  #hasScalars = false
  #hasObjects = false
  #hasLists = false
  /** Once texts are asked for, nothing is added. */
  #final: ColumnType | undefined

  /** @param known What the table has there. */
  constructor(known?: ColumnType, depth = 0) {
    this.#known = known
    this.#depth = depth
  }

  /** Reads the next value. @throws FileFault for a key that stands twice, is empty, or differs from another in case alone. */
  add(json: JsonText): void {
    const kind = json.kind()
    switch (kind) {
      case 'null':
        json.word(kind)
        return
      case 'object':
        this.#hasObjects = true
        if (this.#isText) json.skip()
        else if (this.#isMap) this.#addMap(json)
        else this.#addObject(json)
        return
      case 'array':
        this.#hasLists = true
        if (this.#isText) json.skip()
        else json.array(() => this.#elements().add(json))
        return
      case 'string':
        this.#hasScalars = true
        this.#types.addString(json.string())
        return
      case 'number':
        this.#hasScalars = true
        this.#types.addNumber(json.word(kind))
        return
      case 'boolean':
        this.#hasScalars = true
        json.word(kind)
        this.#types.addBoolean()
    }
  }

  /** Of all values that were added. */
  get type(): ColumnType {
    if (this.#isText) return textType
    const kinds = [this.#hasScalars, this.#hasObjects, this.#hasLists].filter(Boolean).length
    if (kinds !== 1 || this.#hasScalars) return kinds === 1 ? this.#types.type : textType
    if (this.#hasLists) return { kind: 'list', element: this.#elements().type }
    if (this.#isMap) return { kind: 'map', key: textType, value: this.#elements().type }
    return this.#fields.size === 0 ? textType : { kind: 'struct', fields: this.columns }
  }

  /** Of objects, in the order in which they came first. */
  get columns(): readonly TypedColumn[] {
    return [...this.#fields.values()].map(({ name, shape }) => ({ name, type: shape.type }))
  }

  get size(): number {
    return this.#fields.size
  }

  field(name: string): Shape | undefined {
    return this.#fields.get(name)?.shape
  }

  /**
   * Reads the next value.
   *
   * @returns Its text: of scalars as it is, of what is nested as JSON whose scalars are all texts; null for null.
   */
  text(json: JsonText): string | null {
    const kind = json.kind()
    switch (kind) {
      case 'null':
        json.word(kind)
        return null
      case 'string':
        return json.string()
      case 'number':
      case 'boolean':
        return json.word(kind)
      default:
        return this.#isNested ? this.#nestedText(json, kind) : rawText(json)
    }
  }

  get #isNested(): boolean {
    this.#final ??= this.type
    const { kind } = this.#final
    return kind === 'list' || kind === 'struct' || kind === 'map'
  }

  #nestedText(json: JsonText, kind: 'object' | 'array'): string {
    const parts: string[] = []
    const quotedText = (shape: Shape): string => {
      const isNested = ['object', 'array'].includes(json.kind()) && shape.#isNested
      const text = shape.text(json)
      return text === null ? 'null' : isNested ? text : JSON.stringify(text)
    }
    if (kind === 'array') {
      json.array(() => parts.push(quotedText(this.#elements())))
      return `[${parts.join(',')}]`
    }
    const seen = new Set<string>()
    json.object((key) => {
      const shape = this.#isMap ? this.#elements() : this.field(key)
      if (shape !== undefined) parts.push(`${JSON.stringify(key)}:${quotedText(shape)}`)
      seen.add(key)
    })
    // The engine wants every field of a struct to be there.
    for (const name of this.#fields.keys()) {
      if (!seen.has(name)) parts.push(`${JSON.stringify(name)}:null`)
    }
    return `{${parts.join(',')}}`
  }

  get #isText(): boolean {
    return this.#depth > maxTypeDepth || this.#known?.kind === 'scalar' || this.#known?.kind === 'decimal'
  }

  get #isMap(): boolean {
    return this.#known?.kind === 'map'
  }

  #addMap(json: JsonText): void {
    const seen = new Set<string>()
    json.object((key) => {
      if (seen.has(key)) throw json.fault(`the key ${quoted(key)} stands twice in one object`)
      seen.add(key)
      this.#elements().add(json)
    })
  }

  #addObject(json: JsonText): void {
    objects += 1
    const object = objects
    json.object((key) => {
      const field = this.#fields.get(key) ?? this.#newField(key, json)
      if (field.object === object) throw json.fault(`the key ${quoted(key)} stands twice in one object`)
      field.object = object
      field.shape.add(json)
    })
  }

  #newField(name: string, json: JsonText): FieldShape {
    if (name === '') throw json.fault('an empty key names no column')
    const same = this.#spellings.get(name.toLowerCase())
    if (same !== undefined) {
      throw json.fault(
        `the keys ${quoted(same)} and ${quoted(name)} differ in case alone, and columns must not`,
      )
    }
    if (this.#fields.size >= mostColumns) throw json.fault(`more than ${mostColumns} different keys`)
    const field = { name, shape: new Shape(this.#knownField(name), this.#depth + 1), object: 0 }
    this.#spellings.set(name.toLowerCase(), name)
    this.#fields.set(name, field)
    return field
  }

  #knownField(name: string): ColumnType | undefined {
    if (this.#known?.kind !== 'struct') return undefined
    const { fields } = this.#known
    const exact = fields.find((field) => field.name === name)
    return (exact ?? fields.find((field) => field.name.toLowerCase() === name.toLowerCase()))?.type
  }

  #elements(): Shape {
    if (this.#element === undefined) {
      const known = this.#known
      const inner =
        known?.kind === 'list'
          ? known.element
          : known?.kind === 'map'
            ? mapElement(known, this.#hasLists)
            : undefined
      this.#element = new Shape(inner, this.#depth + 1)
    }
    return this.#element
  }
}

/** A map is an object of values, or a list of entries. */
function mapElement(
  { key, value }: Extract<ColumnType, { readonly kind: 'map' }>,
  isList: boolean,
): ColumnType {
  if (!isList) return value
  return {
    kind: 'struct',
    fields: [
      { name: 'key', type: key },
      { name: 'value', type: value },
    ],
  }
}

function rawText(json: JsonText): string {
  const from = json.at
  json.skip()
  return json.text.slice(from, json.at)
}
