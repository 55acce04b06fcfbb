/**
 * What a batch shows to the gates of a task: its tables as they will be if all gates let them pass.
 *
 * It is plain data, since gates are other processes. No reader of the tables sees it.
 */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { LakeError, systemCode } from '../../lib/base/errors.ts'
import { type JsonValue, parseJson } from '../../lib/base/json.ts'
import { decodeStagedVersion, type Snapshot } from '../../lib/delta/index.ts'
import { isLakeTable } from '../model/tables.ts'
import type { Platform } from '../platform/compose.ts'
import type { variables } from '../platform/config.ts'

const schema = z.object({
  /** The run of the batch. */
  run: z.number().int(),
  task: z.string(),
  /** What has been staged, by table. */
  tables: z.record(
    z.string(),
    z.object({
      /** UTC days that were made. */
      days: z.array(z.string()),
      /** All of the table, as `encodeStagedVersion` gives it. */
      version: z.custom<JsonValue>(),
    }),
  ),
  /** The versions of the tables that it was made from. All others are at their newest ones. */
  madeFrom: z.record(z.string(), z.number().int()),
})

export type StagedTables = z.infer<typeof schema>

const shownSchema = schema.extend({ gate: z.string() })

/** What one gate is shown. */
export type ShownTables = z.infer<typeof shownSchema>

/** The variable that names the file with them: set for the process of a gate, and for no other. */
export const stagedTablesVariable = 'LAKESHORE_STAGED_TABLES' satisfies keyof typeof variables

/** What the process of a gate is shown. @throws LakeError `FILE_MISSING`, `LOG_CORRUPT` */
export async function readShownTables(path: string): Promise<ShownTables> {
  const what = `Staged tables in ${path}`
  let content: string
  try {
    content = await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
    throw new LakeError('FILE_MISSING', `${path}: the tables that a batch has staged were here`, {
      cause: error,
      details: { path },
    })
  }
  const parsed = shownSchema.safeParse(parseJson(content, what))
  if (parsed.success) return parsed.data
  throw new LakeError(
    'LOG_CORRUPT',
    `${what}: ${parsed.error.issues.map(({ message }) => message).join('; ')}`,
    {
      details: { what },
    },
  )
}

/** Each staged table at the version that would be its newest, and those that it was made from. */
export async function stagedSnapshots(
  platform: Pick<Platform, 'table'>,
  { run, tables, madeFrom }: StagedTables,
): Promise<ReadonlyMap<string, Snapshot>> {
  const snapshots = new Map<string, Snapshot>()
  for (const [name, version] of Object.entries(madeFrom)) {
    if (!isLakeTable(name)) throw new LakeError('BUG', `Run ${run} has read ${name}`)
    snapshots.set(name, await (await platform.table(name)).snapshot({ version }))
  }
  for (const [name, { version }] of Object.entries(tables)) {
    if (!isLakeTable(name)) throw new LakeError('BUG', `Run ${run} has staged ${name}`)
    const { store } = await platform.table(name)
    snapshots.set(name, decodeStagedVersion(store, version, `${name} as run ${run} has staged it`))
  }
  return snapshots
}
