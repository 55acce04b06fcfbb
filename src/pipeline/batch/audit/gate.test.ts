/** What gates hold up, with gates that are functions; notebooks as gates: `cli/notebook/gates.test.ts`. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { messageOf } from '../../../lib/base/errors.ts'
import { decodeStagedVersion, deleteRows } from '../../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../../lib/duckdb/duckdb.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import type { RunStore } from '../../../lib/runs/run-store.ts'
import type { LakeTable } from '../../model/tables.ts'
import { contentOf } from '../../query/candidate-summary.ts'
import type { StagedTables } from '../../query/staged-tables.ts'
import { type SmallPlatform, someMessages } from '../../reconcile/books.fixture.ts'
import { runRecordedBatch } from '../recorded.ts'
import { openAuditedPlatform } from './audited-platform.fixture.ts'
import type { Gate, GateVerdict } from './gate.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

let platform: SmallPlatform
let store: RunStore
beforeEach(async () => {
  const opened = await openAuditedPlatform(duckdb)
  ;({ platform, store } = opened)
  return () => opened[Symbol.asyncDispose]()
})

const gold = 'gold/events_per_source_daily' as const
const goldTask = 'silver_to_gold_events_source'

/** Nothing is loaded into ClickHouse. @returns how each task ended: in one word, or by its error. */
async function batch(...gates: readonly Gate[]): Promise<Readonly<Record<string, string>>> {
  const tasks = ['bronze_to_silver', goldTask, 'silver_to_gold_dau']
  const { nodes } = await runRecordedBatch(
    { ...platform.context, gates: { list: async () => gates } },
    store,
    { trigger: 'manual', tasks },
  )
  return Object.fromEntries(
    nodes
      .filter(({ node }) => tasks.includes(node))
      .map((node) => [node.node, node.kind === 'failed' ? messageOf(node.error) : node.kind]),
  )
}

/** Numbers its runs from 101. */
function gate(
  name: string,
  task: string,
  judge: (staged: StagedTables) => Promise<string | undefined> | string | undefined,
): Gate & { readonly shown: StagedTables[] } {
  const shown: StagedTables[] = []
  return {
    name,
    task,
    shown,
    judge: async (staged): Promise<GateVerdict> => {
      shown.push(staged)
      const refusal = await judge(staged)
      return { run: 100 + shown.length, ...(refusal !== undefined && { refusal }) }
    },
  }
}

async function rowsOf(name: LakeTable): Promise<readonly Row[]> {
  const table = platform.context.table(name)
  return duckdb.use(async (session) => {
    return await session.rows(`from (${await table.scan(session, await table.snapshot())}) order by all`)
  })
}

async function rowsShown(name: LakeTable, { tables }: StagedTables): Promise<readonly Row[]> {
  const table = platform.context.table(name)
  const snapshot = decodeStagedVersion(table.store, tables[name]?.version ?? null, name)
  return duckdb.use(async (session) => {
    return await session.rows(`from (${await table.scan(session, snapshot)}) order by all`)
  })
}

describe('a gate', () => {
  it('sees the table as it will be, with the days that stay as they are', async () => {
    await batch()
    await platform.send(someMessages(30, 3, '2026-11-21'))
    await platform.land()
    const before = await rowsOf(gold)
    const looks = gate('looks', goldTask, () => undefined)

    const ended = await batch(looks)

    expect(ended[goldTask]).toBe('succeeded')
    const [staged] = looks.shown
    const { version } = await platform.context.table('silver/events').snapshot()
    expect(staged).toMatchObject({
      run: 2,
      task: goldTask,
      tables: { [gold]: { days: ['2026-11-21'] } },
      madeFrom: { 'silver/events': version },
    })
    const after = await rowsOf(gold)
    expect(staged && (await rowsShown(gold, staged))).toEqual(after)
    expect(after).not.toEqual(before)
    const { attempts } = await store.runs.show(2)
    expect(attempts.find(({ node }) => node === goldTask)).toMatchObject({
      details: { days: ['2026-11-21'], gates: { looks: 101 } },
    })
  })

  it('keeps what it refuses from readers, and lets it pass once it is satisfied; other tables go on', async () => {
    await batch()
    await platform.send(someMessages(30, 3, '2026-11-21'))
    await platform.land()
    const before = await rowsOf(gold)
    const refuses = gate('team/quality', goldTask, () => 'cell 2, line 3: too many')

    const refused = await batch(refuses)
    const again = await batch(refuses)

    expect(refused).toEqual({
      bronze_to_silver: 'succeeded',
      [goldTask]: `${gold}: gate team/quality refuses it (run 101): cell 2, line 3: too many`,
      silver_to_gold_dau: 'succeeded',
    })
    expect(again[goldTask]).toContain('(run 102)')
    expect(await rowsOf(gold)).toEqual(before)
    const [candidate] = await store.candidates.list({ runId: 2 })
    expect(candidate && contentOf(candidate)).toMatchObject({
      days: ['2026-11-21'],
      checks: [],
      gates: [{ gate: 'team/quality', run: 101, refusal: 'cell 2, line 3: too many' }],
    })
    expect((await store.runs.show(2)).state).toBe('failed')

    const passed = await batch(gate('team/quality', goldTask, () => undefined))

    expect(passed[goldTask]).toBe('succeeded')
    expect(await rowsOf(gold)).not.toEqual(before)
  })

  it('is asked beside all others of its task, so that each says what it has found, and of no other task', async () => {
    const [first, second, other] = [
      gate('first', goldTask, () => 'one'),
      gate('second', goldTask, () => 'two'),
      gate('other', 'silver_to_gold_dau', () => undefined),
    ]

    const ended = await batch(first, second, other)

    expect(ended[goldTask]).toBe(
      `${gold}: gate first refuses it (run 101): one; gate second refuses it (run 101): two`,
    )
    expect(other.shown.map(({ task, tables }) => [task, Object.keys(tables)])).toEqual([
      ['silver_to_gold_dau', ['gold/daily_active_users']],
    ])
  })

  it('holds up what is made from the table that it refuses', async () => {
    const ended = await batch(gate('silver', 'bronze_to_silver', () => 'no'))

    expect(ended).toEqual({
      bronze_to_silver: 'silver/events: gate silver refuses it (run 101): no',
      [goldTask]: 'skipped',
      silver_to_gold_dau: 'skipped',
    })
    expect(await rowsOf('silver/events')).toEqual([])
  })

  it('is not asked where nothing has changed', async () => {
    const looks = gate('looks', goldTask, () => undefined)
    await batch(looks)

    await batch(looks)

    expect(looks.shown).toHaveLength(1)
  })

  it('that cannot be asked is no consent: the task fails, nothing is committed, and no file stays', async () => {
    const table = platform.context.table(gold)
    const broken = gate('broken', goldTask, () => Promise.reject(new Error('no kernel')))

    const ended = await batch(broken)

    expect(ended[goldTask]).toBe('no kernel')
    expect((await table.snapshot()).files).toEqual([])
    const keys: string[] = []
    for await (const { key } of table.store.list('')) keys.push(key)
    expect(keys.filter((key) => key.endsWith('.parquet'))).toEqual([])
  })

  it('is asked again where somebody else has committed meanwhile', async () => {
    await batch()
    const table = platform.context.table(gold)
    await platform.send(someMessages(30, 3, '2026-11-21'))
    await platform.land()
    const looks = gate('looks', goldTask, async () => {
      if (looks.shown.length > 1) return undefined
      await duckdb.use((session) => deleteRows(table, session, { where: "source = 'web'" }))
      return undefined
    })

    expect((await batch(looks))[goldTask]).toBe('succeeded')

    const last = looks.shown.at(-1)
    expect(looks.shown).toHaveLength(2)
    expect(last && (await rowsShown(gold, last))).toEqual(await rowsOf(gold))
  })

  it('of a task that there is not fails the run, so that nobody trusts in it', async () => {
    const ended = await batch(gate('typo', 'silver_to_gold_dao', () => undefined))

    expect(ended['bronze_to_silver']).toMatch(
      /^Gate typo: expected one of the tasks bronze_to_silver, silver_to_gold_.*, gold_to_clickhouse, got silver_to_gold_dao$/,
    )
    expect(await rowsOf('silver/events')).toEqual([])
  })
})
