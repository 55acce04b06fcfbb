/** Raw landing, event log to committed bronze, beside DuckDB writing the same bytes to one Parquet file. */
import { join } from 'node:path'
import type { Message } from '../src/lib/eventlog/eventlog.ts'
import { offset } from '../src/lib/eventlog/eventlog.ts'
import { createMessagesTable } from '../src/pipeline/model/messages.ts'
import type { Platform } from '../src/pipeline/platform/compose.ts'
import { runLandingStage } from '../src/pipeline/platform/stages.ts'
import { type Case, measurement, onPlatform, secondsOf, sendHistory } from './case.ts'

const count = 200_000

export const landingCase: Case = {
  name: 'landing',
  run: () =>
    onPlatform(async (platform) => {
      await sendHistory(platform, count)
      const raw = await secondsOf(() => copyRaw(platform))
      const landed = await secondsOf(() => runLandingStage(platform, { drain: true }))
      return [
        measurement('landing', 'events/s', count / landed, count, {
          name: 'raw bytes to one Parquet file, unparsed and uncommitted',
          value: count / raw,
        }),
      ]
    }),
}

async function copyRaw(platform: Platform): Promise<void> {
  const log = await platform.log()
  const messages: Message[] = []
  const stream = log.consume({
    group: 'bench',
    membership: 'alone',
    positions: async (partitions) => new Map(partitions.map((partition) => [partition, offset(0n)])),
  })
  for await (const event of stream) {
    if (event.kind === 'fetched') messages.push(...event.fetch.messages)
    if (messages.length >= count) break
  }
  const duckdb = await platform.duckdb()
  await duckdb.use(async (session) => {
    await createMessagesTable(session, 'messages', messages)
    const file = join(platform.config.home, 'raw.parquet')
    await session.run(`copy messages to '${file}' (format parquet, compression zstd)`)
  })
}
