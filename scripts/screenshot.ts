/**
 * The console's picture for the README, from Chromium.
 *
 *     npx tsx scripts/screenshot.ts                                         a sample, to docs/console.png
 *     npx tsx scripts/screenshot.ts --url http://127.0.0.1:8080 --out a.png    a console that runs
 *
 * `--width` 1440, `--height` the whole page, `--dark`; CHROMIUM names the browser.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { ensureWebBuilt } from '../src/console/build-web.ts'
import { startConsole } from '../src/console/console.ts'
import { insertSample, sampleParts } from '../src/console/sample.fixture.ts'
import { hintOf } from '../src/hints/hints.ts'
import { openEmbeddedClickHouse } from '../src/lib/clickhouse-server/embedded.ts'

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    out: { type: 'string', default: join(import.meta.dirname, '../docs/console.png') },
    width: { type: 'string', default: '1440' },
    height: { type: 'string' },
    dark: { type: 'boolean', default: false },
  },
})

async function shoot(url: string): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  })
  try {
    const page = await browser.newPage({
      viewport: { width: Number(values.width), height: Number(values.height ?? 900) },
      colorScheme: values.dark ? 'dark' : 'light',
      reducedMotion: 'reduce',
    })
    await page.goto(url)
    await page.locator('.panel svg.main-svg').nth(6).waitFor()
    await page.locator('.tables tbody tr').first().waitFor()
    await page.screenshot({ path: values.out, fullPage: values.height === undefined })
  } finally {
    await browser.close()
  }
}

async function shootSample(): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'console-picture-'))
  try {
    await using clickhouse = await openEmbeddedClickHouse({ home })
    const now = Date.now()
    await insertSample(clickhouse, now)
    await using running = await startConsole(
      { clickhouse, ...sampleParts(now), hintOf },
      { host: '127.0.0.1', port: 0, webRoot: await ensureWebBuilt() },
    )
    await shoot(running.url)
  } finally {
    // The server ends itself when nobody uses it; its folder may go first.
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

await (values.url === undefined ? shootSample() : shoot(values.url))
process.stdout.write(`${values.out}\n`)
