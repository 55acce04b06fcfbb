/**
 * Lands a topic in Delta with the platform's own stage: each message once, also when it is killed in between.
 *
 *     npx tsx examples/land-a-topic.ts /tmp/lake
 */
import { openPlatform } from '../src/pipeline/platform/compose.ts'
import { readConfig } from '../src/pipeline/platform/config.ts'
import { runLandingStage } from '../src/pipeline/platform/stages.ts'

const [home = '.lake'] = process.argv.slice(2)

await using platform = openPlatform(readConfig({ LAKE_HOME: home }))
const log = await platform.log()
const event = {
  event_id: 'a-1',
  user_id: 7,
  event_type: 'purchase',
  page: '/checkout',
  timestamp: '2026-01-31T10:00:00Z',
  source: 'web',
}
await log.append([
  { key: Buffer.from('7'), value: Buffer.from(JSON.stringify(event)) },
  { key: Buffer.from('8'), value: Buffer.from('not an event') },
])

const { events, rejected } = await runLandingStage(platform, { drain: true })
console.log(`landed: ${events} event, ${rejected} rejected`)

// The bytes of what is no event are kept, with the reasons.
const duckdb = await platform.duckdb()
const rejects = await platform.table('bronze/rejected')
await duckdb.use(async (session) => {
  const scan = await rejects.scan(session, await rejects.snapshot())
  for (const row of await session.rows(`select decode(raw) as raw, reasons[1] as reason from (${scan})`)) {
    console.log(`rejected: ${row['raw']} (${row['reason']})`)
  }
})
