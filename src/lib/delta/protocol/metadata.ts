/**
 * The metadata and the protocol of a table, as in the log. Delta PROTOCOL.md, "Change Metadata" and "Protocol Evolution".
 */
export type StringMap = Readonly<Record<string, string>>

export interface Protocol {
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly readerFeatures?: readonly string[]
  readonly writerFeatures?: readonly string[]
}

export interface Metadata {
  readonly id: string
  readonly name?: string
  readonly description?: string
  readonly format: { readonly provider: string; readonly options: StringMap }
  readonly schemaString: string
  readonly partitionColumns: readonly string[]
  readonly configuration: StringMap
  /** Milliseconds since the epoch. */
  readonly createdTime?: number
}
