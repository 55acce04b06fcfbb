/**
 * Which code made each day of a table: the hash of its SQL, in the tags of the commit that holds the rows.
 *
 * Nearly always one code has made all days: `code` names it. While days are made again with another code part by part,
 * `codeOfDays` names those that differ, as `HASH:DAY DAY;HASH:DAY`. So the newest commit of the batch tells it for all
 * days, also if older commits are no longer in the log.
 */
import { createHash } from 'node:crypto'
import type { CommitInfo } from '../../lib/delta/index.ts'

export interface CodeOfDays {
  /** The code of all days that `others` does not name; `undefined` if it is not recorded. */
  readonly code: string | undefined
  /** ISO day → the code that made it. */
  readonly others: ReadonlyMap<string, string>
}

/** Of a table that no commit says anything of. */
export const unknownCode: CodeOfDays = { code: undefined, others: new Map() }

/** A SELECT as a short hash: any change of its text counts. */
export function codeOf(select: string): string {
  return createHash('sha256').update(select).digest('hex').slice(0, 16)
}

export function codeOfDay({ code, others }: CodeOfDays, day: string): string | undefined {
  return others.get(day) ?? code
}

/** Once `days` are made with `code`; `all` are the days that the table then has. */
export function afterMaking(
  before: CodeOfDays,
  {
    days,
    code,
    all,
  }: { readonly days: readonly string[]; readonly code: string; readonly all: readonly string[] },
): CodeOfDays {
  const made = new Set(days)
  const others = new Map(
    all.flatMap((day) => {
      const by = made.has(day) ? code : codeOfDay(before, day)
      return by === undefined || by === before.code ? [] : [[day, by] as const]
    }),
  )
  const isOfOne = all.every((day) => (made.has(day) ? code : codeOfDay(before, day)) === code)
  return isOfOne ? { code, others: new Map() } : { code: before.code, others }
}

export function codeTags({ code, others }: CodeOfDays): Readonly<Record<string, string>> {
  const daysByCode = new Map<string, string[]>()
  for (const [day, by] of others) daysByCode.set(by, [...(daysByCode.get(by) ?? []), day])
  const groups = [...daysByCode].map(([by, days]) => `${by}:${days.join(' ')}`)
  return {
    ...(code !== undefined && { code }),
    ...(groups.length > 0 && { codeOfDays: groups.join(';') }),
  }
}

export function codeIn({ tags }: CommitInfo): CodeOfDays {
  const others = (tags?.['codeOfDays']?.split(';') ?? []).flatMap((group) => {
    const [by = '', days = ''] = group.split(':')
    return days.split(' ').map((day) => [day, by] as const)
  })
  return { code: tags?.['code'], others: new Map(others) }
}
