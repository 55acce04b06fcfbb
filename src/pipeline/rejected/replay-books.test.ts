import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { systemClock } from '../../lib/base/clock.ts'
import { silentLogger } from '../../lib/base/log.ts'
import { openRunStore } from '../../lib/runs/run-store.ts'
import { openSmallPlatform, someMessages } from '../reconcile/books.fixture.ts'
import { auditLedger } from '../reconcile/ledger/ledger.ts'
import { reconcile } from '../reconcile/reconcile.ts'
import { type Trace, traceMessage } from '../reconcile/trace.ts'
import { openEngines } from '../serving/engines.fixture.ts'
import { replayLetters } from './replay.ts'

const states = ({ steps }: Trace): readonly string[] => steps.map(({ stage, state }) => `${stage}: ${state}`)

it('leaves the books balanced, and a trace leads from the rejected message to where it counts now', async () => {
  await using engines = await openEngines()
  await using platform = await openSmallPlatform(engines.duckdb, engines.clickhouse)
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-replay-'))
  try {
    await using store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}` })
    const context = { ...platform.context, replays: async () => store.replays }
    const step = async (): Promise<void> => {
      await platform.land()
      await platform.realtime()
      await platform.batch()
    }
    await platform.send(someMessages(100, 1))
    await step()

    const { sent } = await replayLetters(
      {
        rejected: context.table('bronze/rejected'),
        duckdb: engines.duckdb,
        log: platform.log,
        store,
        clock: systemClock,
        logger: silentLogger,
      },
      {
        filter: { reason: 'json_invalid' },
        script: {
          path: 'fix.ts',
          hash: 'h',
          fix: ({ partition, offset }) =>
            JSON.stringify({
              event_id: `mended-${partition}-${offset}`,
              user_id: 7,
              event_type: 'purchase',
              page: '/cart',
              timestamp: '2026-11-20T23:00:00Z',
              source: 'web',
            }),
        },
        limit: 100,
        perSecond: 100_000,
        actor: 'ann on lap',
        note: 'torn',
      },
    )
    const [first] = sent
    if (first === undefined) throw new Error('Expected messages that were rejected')
    const pending = await traceMessage(context, first.from)
    await step()

    const { identities } = await auditLedger(context, { ledger: store.ledger })
    expect(identities.filter(({ problem }) => problem !== undefined)).toEqual([])
    expect(await reconcile(context)).toMatchObject({ balanced: true })
    expect(states(pending).slice(1)).toEqual([
      'bronze: rejected',
      'replay: replayed',
      'log: in the log',
      'replay: a replay of a rejected message',
      'bronze: not landed yet',
    ])
    const trace = await traceMessage(context, first.from)
    expect(states(trace)).toEqual(
      expect.arrayContaining([
        'bronze: landed',
        'silver: in silver',
        'gold: counts in',
        'realtime: counted on time',
      ]),
    )
    expect(trace.steps.find(({ state }) => state === 'replayed')?.details).toMatchObject({
      by: 'ann on lap',
      why: 'torn',
      partition: first.to.partition,
      offset: first.to.offset,
    })
    const origin = (await traceMessage(context, first.to)).steps.find(({ stage }) => stage === 'replay')
    expect(origin?.details).toMatchObject({ partition: first.from.partition, offset: first.from.offset })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
