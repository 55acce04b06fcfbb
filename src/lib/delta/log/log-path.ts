/** Names of the files in `_delta_log`. Delta PROTOCOL.md, "Delta Log Entries" and "Checkpoints". */
import type { Brand } from '../../base/brand.ts'
import { LakeError } from '../../base/errors.ts'

/** A table version: a safe integer from 0 up. */
export type Version = Brand<number, 'Version'>

export function version(value: number): Version {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new LakeError('VERSION_MISSING', `Table version: expected a whole number from 0 up, got ${value}`)
  }
  return value as Version
}

export type LogFile =
  | { readonly kind: 'commit'; readonly version: Version }
  | { readonly kind: 'checkpoint'; readonly version: Version }
  | {
      readonly kind: 'checkpointPart'
      readonly version: Version
      readonly part: number
      readonly parts: number
    }
  /** A V2 checkpoint: its name holds a UUID, its content may point at sidecars. */
  | { readonly kind: 'checkpointV2'; readonly version: Version; readonly format: 'json' | 'parquet' }
  | { readonly kind: 'unknown' }

const names =
  /^(?<digits>\d{20})\.(?:(?<json>json)|(?<single>checkpoint\.parquet)|checkpoint\.(?<part>\d{10})\.(?<parts>\d{10})\.parquet|checkpoint\.[0-9a-f-]{36}\.(?<format>json|parquet))$/

/** Unknown names are a value, not an error: the protocol obliges readers to ignore them. */
export function parseLogFile(name: string): LogFile {
  const groups = names.exec(name)?.groups
  if (groups === undefined) return { kind: 'unknown' }
  const { json, single, part, parts, format } = groups
  const of = version(Number(groups['digits']))
  if (json !== undefined) return { kind: 'commit', version: of }
  if (single !== undefined) return { kind: 'checkpoint', version: of }
  if (part !== undefined)
    return { kind: 'checkpointPart', version: of, part: Number(part), parts: Number(parts) }
  return { kind: 'checkpointV2', version: of, format: format === 'json' ? 'json' : 'parquet' }
}

export const logFolder = '_delta_log/'
export const sidecarFolder = `${logFolder}_sidecars/`
export const lastCheckpointKey = `${logFolder}_last_checkpoint`

function padded(of: number): string {
  return String(of).padStart(20, '0')
}

export function commitKey(of: Version): string {
  return `${logFolder}${padded(of)}.json`
}

export function checkpointKey(of: Version): string {
  return `${logFolder}${padded(of)}.checkpoint.parquet`
}

/** @param uuid Distinguishes the file from a checkpoint of this version that another writer makes. */
export function checkpointV2Key(of: Version, uuid: string): string {
  return `${logFolder}${padded(of)}.checkpoint.${uuid}.json`
}

/** A key that sorts before every file of this version, and after every file of the one before. */
export function keyBefore(of: Version): string {
  return `${logFolder}${padded(of)}`
}
