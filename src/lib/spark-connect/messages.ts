/**
 * The messages of the Spark Connect protocol that we send and read: their names, and the numbers of their fields.
 * A server skips fields that it does not know, and so do we.
 *
 * https://github.com/apache/spark/tree/master/sql/connect/common/src/main/protobuf/spark/connect
 */

import type { fromJSON } from '@grpc/proto-loader'

/** Type and number of a field, as protobuf writes them: `repeated string 3`. */
type FieldText = string

interface MessageJson {
  readonly fields: Readonly<Record<string, FieldJson>>
}

interface FieldJson {
  readonly type: string
  readonly id: number
  readonly rule?: 'repeated'
  readonly keyType?: 'string'
}

function message(fields: Readonly<Record<string, FieldText>>): MessageJson {
  return {
    fields: Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, fieldOf(text)])),
  }
}

function fieldOf(text: FieldText): FieldJson {
  const words = text.split(' ')
  const id = Number(words.at(-1))
  const type = words.at(-2) ?? ''
  if (words[0] === 'map') return { keyType: 'string', type, id }
  return words[0] === 'repeated' ? { rule: 'repeated', type, id } : { type, id }
}

/** What each request begins with. Of the fields that all have, these two have the same numbers everywhere. */
const session = { session_id: 'string 1', user_context: 'UserContext 2' }

const messages = {
  UserContext: message({ user: 'string 1', name: 'string 2' }),
  Empty: message({}),

  Plan: message({ root: 'Relation 1', command: 'Command 2' }),
  Relation: message({ read: 'Read 2', sql: 'Sql 10' }),
  Read: message({ data_source: 'DataSource 2' }),
  DataSource: message({
    format: 'string 1',
    schema: 'string 2',
    options: 'map string 3',
    paths: 'repeated string 4',
  }),
  Sql: message({ query: 'string 1' }),

  Command: message({ write_operation: 'WriteOperation 2', create_dataframe_view: 'CreateView 3' }),
  CreateView: message({ input: 'Relation 1', name: 'string 2', is_global: 'bool 3', replace: 'bool 4' }),
  WriteOperation: message({
    input: 'Relation 1',
    source: 'string 2',
    path: 'string 3',
    mode: 'int32 5',
    partitioning_columns: 'repeated string 7',
    options: 'map string 9',
  }),

  ExecutePlanRequest: message({
    ...session,
    plan: 'Plan 3',
    client_type: 'string 4',
    request_options: 'repeated RequestOption 5',
    operation_id: 'string 6',
  }),
  RequestOption: message({ reattach_options: 'ReattachOptions 1' }),
  ReattachOptions: message({ reattachable: 'bool 1' }),
  ExecutePlanResponse: message({
    session_id: 'string 1',
    operation_id: 'string 12',
    response_id: 'string 13',
    arrow_batch: 'ArrowBatch 2',
    result_complete: 'Empty 14',
  }),
  ArrowBatch: message({ row_count: 'int64 1', data: 'bytes 2' }),
  ReattachExecuteRequest: message({
    ...session,
    operation_id: 'string 3',
    client_type: 'string 4',
    last_response_id: 'string 5',
  }),
  ReleaseExecuteRequest: message({
    ...session,
    operation_id: 'string 3',
    client_type: 'string 4',
    release_all: 'Empty 5',
    release_until: 'ReleaseUntil 6',
  }),
  ReleaseUntil: message({ response_id: 'string 1' }),
  ReleaseSessionRequest: message({ ...session, client_type: 'string 3' }),
  InterruptRequest: message({
    ...session,
    client_type: 'string 3',
    interrupt_type: 'int32 4',
    operation_id: 'string 6',
  }),

  ConfigRequest: message({ ...session, operation: 'ConfigOperation 3', client_type: 'string 4' }),
  ConfigOperation: message({ set: 'ConfigSet 1' }),
  ConfigSet: message({ pairs: 'repeated KeyValue 1' }),
  KeyValue: message({ key: 'string 1', value: 'string 2' }),

  AnalyzePlanRequest: message({
    ...session,
    client_type: 'string 3',
    schema: 'AnalyzedPlan 4',
    input_files: 'AnalyzedPlan 9',
  }),
  AnalyzedPlan: message({ plan: 'Plan 1' }),
  AnalyzePlanResponse: message({
    schema: 'SchemaAnswer 2',
    input_files: 'InputFilesAnswer 7',
  }),
  SchemaAnswer: message({ schema: 'DataType 1' }),
  InputFilesAnswer: message({ files: 'repeated string 1' }),

  DataType: message({
    null: 'Empty 1',
    binary: 'Empty 2',
    boolean: 'Empty 3',
    byte: 'Empty 4',
    short: 'Empty 5',
    integer: 'Empty 6',
    long: 'Empty 7',
    float: 'Empty 8',
    double: 'Empty 9',
    decimal: 'Decimal 10',
    string: 'Empty 11',
    char: 'Empty 12',
    var_char: 'Empty 13',
    date: 'Empty 14',
    timestamp: 'Empty 15',
    timestamp_ntz: 'Empty 16',
    array: 'ArrayOf 20',
    struct: 'Struct 21',
    map: 'MapOf 22',
  }),
  Decimal: message({ scale: 'int32 1', precision: 'int32 2' }),
  ArrayOf: message({ element_type: 'DataType 1' }),
  MapOf: message({ key_type: 'DataType 1', value_type: 'DataType 2' }),
  Struct: message({ fields: 'repeated StructField 1' }),
  StructField: message({ name: 'string 1', data_type: 'DataType 2' }),
} as const

interface MethodJson {
  readonly requestType: string
  readonly responseType: string
  readonly responseStream: boolean
  readonly comment: string
}

const method = (
  requestType: keyof typeof messages,
  responseType: keyof typeof messages,
  responseStream = false,
): MethodJson => ({ requestType, responseType, responseStream, comment: '' })

/** Answers of which we need no field are read as `Empty`. */
const service = {
  methods: {
    ExecutePlan: method('ExecutePlanRequest', 'ExecutePlanResponse', true),
    ReattachExecute: method('ReattachExecuteRequest', 'ExecutePlanResponse', true),
    ReleaseExecute: method('ReleaseExecuteRequest', 'Empty'),
    ReleaseSession: method('ReleaseSessionRequest', 'Empty'),
    Interrupt: method('InterruptRequest', 'Empty'),
    Config: method('ConfigRequest', 'Empty'),
    AnalyzePlan: method('AnalyzePlanRequest', 'AnalyzePlanResponse'),
  },
} as const

export const protocol: Parameters<typeof fromJSON>[0] = {
  nested: {
    spark: { nested: { connect: { nested: { ...messages, SparkConnectService: service } } } },
  },
}

export interface DataSource {
  readonly format: string
  /** Columns as DDL: `a STRING, b BIGINT`. */
  readonly schema?: string
  readonly options?: Readonly<Record<string, string>>
  readonly paths: readonly string[]
}

export type Relation =
  | { readonly read: { readonly data_source: DataSource } }
  | { readonly sql: { readonly query: string } }

/** Of `SaveMode`: it fails if there is something at the path. */
export const errorIfExists = 3

/** Of `InterruptType`. */
export const interruptOperation = 3

export interface Command {
  readonly write_operation?: {
    readonly input: Relation
    readonly source: string
    readonly path: string
    readonly mode: typeof errorIfExists
    readonly partitioning_columns: readonly string[]
    readonly options: Readonly<Record<string, string>>
  }
  readonly create_dataframe_view?: {
    readonly input: Relation
    readonly name: string
    readonly replace: boolean
  }
}

export interface Plan {
  readonly root?: Relation
  readonly command?: Command
}

/** One of its fields is there, and says which type it is. */
export interface SparkType {
  readonly null?: object
  readonly binary?: object
  readonly boolean?: object
  readonly byte?: object
  readonly short?: object
  readonly integer?: object
  readonly long?: object
  readonly float?: object
  readonly double?: object
  readonly decimal?: { readonly scale?: number; readonly precision?: number }
  readonly string?: object
  readonly char?: object
  readonly var_char?: object
  readonly date?: object
  readonly timestamp?: object
  readonly timestamp_ntz?: object
  readonly array?: { readonly element_type?: SparkType }
  readonly struct?: { readonly fields?: readonly SparkField[] }
  readonly map?: { readonly key_type?: SparkType; readonly value_type?: SparkType }
}

export interface SparkField {
  readonly name: string
  readonly data_type: SparkType
}

export interface ExecutePlanResponse {
  readonly response_id?: string
  readonly arrow_batch?: { readonly data: Uint8Array }
  readonly result_complete?: object
}

export interface AnalyzePlanResponse {
  readonly schema?: { readonly schema?: SparkType }
  readonly input_files?: { readonly files?: readonly string[] }
}
