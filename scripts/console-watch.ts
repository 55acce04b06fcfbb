/**
 * The console's page, rebuilt in the browser at each change of its sources, over a sample that needs no running lake.
 *
 *     npm run console:watch
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'vite'
import { startConsole } from '../src/console/console.ts'
import { insertSample, sampleParts } from '../src/console/sample.fixture.ts'
import { hintOf } from '../src/hints/hints.ts'
import { openEmbeddedClickHouse } from '../src/lib/clickhouse-server/embedded.ts'

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())

const home = await mkdtemp(join(tmpdir(), 'console-watch-'))
try {
  await using clickhouse = await openEmbeddedClickHouse({ home })
  const now = Date.now()
  await insertSample(clickhouse, now)
  await using api = await startConsole(
    { clickhouse, ...sampleParts(now), hintOf },
    { host: '127.0.0.1', port: 0 },
  )
  const page = await createServer({
    root: join(import.meta.dirname, '../src/console/web'),
    configFile: false,
    oxc: { jsx: { runtime: 'automatic' } },
    server: { host: '127.0.0.1', proxy: { '/api': { target: api.url, changeOrigin: true } } },
  })
  await page.listen()
  process.stdout.write(`The page is at ${page.resolvedUrls?.local[0] ?? ''}; Ctrl-C ends it\n`)
  await new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve(), { once: true }))
  await page.close()
} finally {
  // The server ends itself when nobody uses it; its folder may go first.
  await rm(home, { recursive: true, force: true, maxRetries: 5 })
}
