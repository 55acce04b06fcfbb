/**
 * What an S3 server or its SDK threw, in the words of the catalogue. By the shape of the error alone: HTTP
 * status where the server answered, none where it did not.
 */
import { isLakeError, LakeError, messageOf } from '../base/errors.ts'

/** True when `error` is an answer with this HTTP status. */
export function hasStatus(error: unknown, status: number): boolean {
  return statusOf(error) === status
}

/** @param subject What was tried, where: `Read a/b in s3://lake at https://…`. */
export function s3Failure(subject: string, error: unknown): LakeError {
  if (isLakeError(error)) return error
  const status = statusOf(error)
  const name = error instanceof Error ? error.name : ''
  const message = `${subject}: ${[status, name, messageOf(error)].filter((part) => part !== undefined && part !== '').join(' ')}`
  const options = { cause: error, details: { subject, status, name } }
  if (name === 'NoSuchBucket') {
    return new LakeError('STORE_REFUSED', message, options)
  }
  if (status === 404) return new LakeError('OBJECT_MISSING', message, options)
  if (name === 'CredentialsProviderError') return new LakeError('STORE_REFUSED', message, options)
  // 409: another conditional put of the same key is under way, and the same put is to be sent again.
  const isPassing = status === undefined || status === 408 || status === 409 || status === 429
  if (isPassing || (status >= 500 && status !== 501)) {
    return new LakeError('STORE_UNAVAILABLE', message, options)
  }
  return new LakeError('STORE_REFUSED', message, options)
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined
  const metadata = error.$metadata
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined
}
