/**
 * A reader of a table in a folder that shares no code with the library: files of the log in order, line by line,
 * with `JSON.parse`; and what must be so of every log.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

interface Line {
  readonly add?: {
    readonly path: string
    readonly size: number
    readonly partitionValues: Record<string, string>
  }
  readonly remove?: { readonly path: string }
  readonly txn?: { readonly appId: string; readonly version: number }
  readonly commitInfo?: { readonly operation: string; readonly readVersion?: number }
}

export interface OwnReplay {
  readonly versions: number
  /** Absolute paths of the files of the newest version. */
  readonly files: readonly string[]
  readonly applications: ReadonlyMap<string, number>
  /** Commits that another one came before, of those that tell what they had read. */
  readonly races: number
  /** Data files that no commit names. */
  readonly orphans: number
  readonly operations: Readonly<Record<string, number>>
  /** What is not as it must be. */
  readonly faults: readonly string[]
}

export function replayOwn(path: string): OwnReplay {
  const log = join(path, '_delta_log')
  const names = readdirSync(log).sort()
  const commits = names.filter((name) => /^\d{20}\.json$/.test(name))
  const faults: string[] = []
  let races = 0
  const live = new Map<string, number>()
  const named = new Set<string>()
  const applications = new Map<string, number>()
  const operations: Record<string, number> = {}
  const strange = names.filter(
    (name) => !/^(\d{20}\.(json|checkpoint\.parquet)|_last_checkpoint|\..*\.tmp)$/.test(name),
  )
  if (strange.length > 0) faults.push(`strange files: ${strange.join()}`)
  for (const [version, name] of commits.entries()) {
    if (Number(name.slice(0, 20)) !== version) faults.push(`version ${version} is missing`)
    const text = readFileSync(join(log, name), 'utf8')
    if (!text.endsWith('\n')) faults.push(`${name} is torn`)
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const { add, remove, txn, commitInfo } = JSON.parse(line) as Line
      if (commitInfo !== undefined) {
        operations[commitInfo.operation] = (operations[commitInfo.operation] ?? 0) + 1
      }
      if (commitInfo?.readVersion !== undefined && commitInfo.readVersion < version - 1) races += 1
      if (remove !== undefined && !live.delete(remove.path)) faults.push(`${name} removes ${remove.path}`)
      if (add !== undefined) {
        if (live.has(add.path)) faults.push(`${name} adds ${add.path} again`)
        live.set(add.path, add.size)
        named.add(decodeURIComponent(add.path))
      }
      if (txn !== undefined) {
        const before = applications.get(txn.appId) ?? 0
        if (txn.version !== before + 1)
          faults.push(`${name}: ${txn.appId} goes from ${before} to ${txn.version}`)
        applications.set(txn.appId, txn.version)
      }
    }
  }
  const files = [...live].map(([file, size]) => {
    const at = join(path, decodeURIComponent(file))
    if (!existsSync(at)) faults.push(`${file} is missing`)
    else if (statSync(at).size !== size) faults.push(`${file} is not of ${size} bytes`)
    return at
  })
  const stored = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /^(?!_delta_log).*\.parquet$/.test(name),
  )
  const orphans = stored.filter((name) => !named.has(name)).length
  return { versions: commits.length, files, applications, races, orphans, operations, faults }
}
