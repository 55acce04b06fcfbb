/** The page in Chromium, on the embedded ClickHouse. CHROMIUM names the browser. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock } from '../lib/base/clock.ts'
import { LakeError } from '../lib/base/errors.ts'
import type { ClickHouse } from '../lib/clickhouse/clickhouse.ts'
import { openEmbeddedClickHouse } from '../lib/clickhouse-server/embedded.ts'
import { type Home, temporaryHome } from '../lib/clickhouse-server/home.fixture.ts'
import { ensureServingSchema } from '../pipeline/serving/schema.ts'
import { panelAnswerSchema } from './answers.ts'
import { ensureWebBuilt } from './build-web.ts'
import { type ConsoleParts, type RunningConsole, startConsole } from './console.ts'
import { insertSample, sampleParts } from './sample.fixture.ts'
import { insertDeltas, insertLoad } from './serving.fixture.ts'

let home: Home
let clickhouse: ClickHouse
let browser: Browser
let webRoot: string
let isClickHouseGone = false
const open: (() => Promise<unknown>)[] = []

/** ClickHouse as the console sees it: there, or gone when a test says so. */
const gone = (): Promise<never> =>
  Promise.reject(new LakeError('CLICKHOUSE_UNAVAILABLE', 'query ClickHouse: connection refused'))
const source: Pick<ClickHouse, 'query' | 'ping'> = {
  query: (sql, options) => (isClickHouseGone ? gone() : clickhouse.query(sql, options)),
  ping: (options) => (isClickHouseGone ? gone() : clickhouse.ping(options)),
}

beforeAll(async () => {
  home = await temporaryHome()
  clickhouse = await openEmbeddedClickHouse({ home: home.path, deadlineMs: 60_000 })
  await ensureServingSchema(clickhouse)
  webRoot = await ensureWebBuilt()
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  })
})

afterEach(async () => {
  isClickHouseGone = false
  for (const close of open.splice(0).reverse()) await close()
})

afterAll(async () => {
  await browser.close()
  await clickhouse[Symbol.asyncDispose]()
  await home[Symbol.asyncDispose]()
})

async function start(parts: Partial<ConsoleParts>): Promise<RunningConsole> {
  const running = await startConsole(
    { clickhouse: source, ...sampleParts(Date.now()), hintOf: () => 'Do this.', ...parts },
    { host: '127.0.0.1', port: 0, webRoot },
  )
  open.push(async () => running[Symbol.asyncDispose]())
  return running
}

interface Visit {
  readonly page: Page
  /** Errors of the console, of scripts, and requests that failed or left the machine. */
  readonly faults: string[]
}

async function visit(options: BrowserContextOptions = {}, parts: Partial<ConsoleParts> = {}): Promise<Visit> {
  const { url } = await start(parts)
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
  open.push(() => context.close())
  context.setDefaultTimeout(60_000)
  const page = await context.newPage()
  const faults: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('requestfailed', (request) => faults.push(`failed: ${request.url()}`))
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) faults.push(request.url())
  })
  await page.goto(url)
  return { page, faults }
}

/** Plotly makes several pictures of one chart. */
const drawnPanel = '.panel:has(.chart svg.main-svg)'

async function visitDrawn(
  options: BrowserContextOptions = {},
  parts: Partial<ConsoleParts> = {},
): Promise<Visit> {
  const visited = await visit(options, parts)
  await visited.page.locator(drawnPanel).nth(6).waitFor()
  await visited.page.locator('.tables tbody tr').nth(7).waitFor()
  return visited
}

describe('the page, before the first event', () => {
  it('says that nothing has run yet', async () => {
    const { page, faults } = await visit()

    await page.getByText('The first batch has not run').first().waitFor()
    await page.getByText('No events yet').first().waitFor()

    expect(faults).toEqual([])
  })

  it('says of a batch that saw no events just that, and not that it has not run', async () => {
    const load = { loadId: 1, boundary: '2026-01-01', loadedAt: '2026-01-01 01:00:00' }
    await insertLoad(clickhouse, [], load)
    const { page } = await visit()

    await page.getByText('The batch has seen no events').nth(3).waitFor()

    expect(await page.locator('.panel', { hasText: 'The first batch has not run' }).count()).toBe(0)
  })

  it('says of tables and runs that could not be read just that, and not that there are none', async () => {
    const broken = (): Promise<never> => Promise.reject(new LakeError('SOURCE_FAILED', 'the disk is gone'))
    const { page } = await visit({}, { tables: broken, runs: { list: broken, show: broken } })

    const lists = page.locator('.row-lists .listing', { hasText: 'Could not be read' })
    await lists.nth(1).waitFor()

    expect(await lists.count()).toBe(2)
    expect(await lists.allTextContents()).toEqual([
      'TablesCould not be readthe disk is gone',
      'Last runsCould not be readthe disk is gone',
    ])
  })
})

describe('the page, with data', () => {
  let sampledMs: number
  beforeAll(async () => {
    sampledMs = Date.now()
    await insertSample(clickhouse, sampledMs)
  })

  it('shows every panel with its figure, its age and what is provisional', async () => {
    const { page, faults } = await visitDrawn()

    const panels = page.locator('.panel')
    expect(await panels.count()).toBe(7)
    expect(await page.locator('[data-panel=daily-active-users] .stat-value').textContent()).toBe('38')
    expect(await page.locator('[data-panel=conversion-rate] .stat-value').textContent()).toBe('41.2%')
    expect(await page.locator('[data-panel=top-pages-by-purchases] .badge-provisional').count()).toBe(1)
    for (const footer of await panels.locator('footer').allTextContents()) {
      expect(footer).toMatch(/(loaded|updated) .* ago/)
    }
    expect(await page.locator('.tables tbody').textContent()).toContain('231,480')
    expect(await page.locator('.run').count()).toBe(4)
    expect(faults).toEqual([])
  })

  it('shows the tables that can be read, and of the one that cannot why, and what mends it', async () => {
    const problem = {
      code: 'LOG_CORRUPT',
      message: `${'/srv/lakehouse'.repeat(9)}/00000000000000001184.json: its bytes are torn`,
      hint: 'Bring the file back from a backup.',
    }
    const whole = sampleParts(Date.now()).tables
    const tables = async () =>
      (await whole()).map((table) => (table.name === 'silver/events' ? { ...table, problem } : table))
    const { page } = await visit({}, { tables })

    const told = page.locator('.tables tr', { hasText: 'Could not be read' })
    await told.waitFor()

    expect(await told.textContent()).toBe(
      `Could not be read, shown is version 14. ${problem.message}. ${problem.hint}`,
    )
    expect(await page.locator('.tables tbody tr').count()).toBe(9)
    expect(await page.locator('.tables tbody').textContent()).toContain('231,480')
    expect(await page.locator('.banner').textContent()).toBe('The table silver/events could not be read.')
    for (const width of [1440, 768, 390, 320]) {
      await page.setViewportSize({ width, height: 900 })
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
    }
  })

  it('names a stage that has stopped, with the cause and the fix, and goes on showing the rest', async () => {
    const problem = {
      code: 'EVENTLOG_GAP',
      message: 'partition 1: offsets 5 to 9 are gone',
      hint: 'Accept it.',
    }
    const stopped = { stage: 'landing', stoppedAt: '2026-11-23T07:59:00.000Z', problem }
    const stoppedStages: (typeof stopped)[] = []
    const { page } = await visit({}, { stoppedStages: () => stoppedStages })
    await page.locator('.panel svg.main-svg').nth(6).waitFor()
    expect(await page.locator('.banner').count()).toBe(0)

    stoppedStages.push(stopped)
    await page.locator('.banner', { hasText: 'landing' }).waitFor({ timeout: 25_000 })

    expect(await page.locator('.banner').textContent()).toBe(
      'The stage landing stopped at 2026-11-23 07:59:00 UTC; it goes on at the next “lake up”. ' +
        'partition 1: offsets 5 to 9 are gone. Accept it.',
    )
    expect(await page.locator('[data-panel=daily-active-users] .stat-value').textContent()).toBe('38')
  })

  it('refreshes in place, without a moment in which a chart is gone', async () => {
    const { page, faults } = await visitDrawn()
    const stream = page.locator('[data-panel=event-stream]')
    const before = await stream.locator('.chart').getAttribute('aria-label')
    await page.evaluate(`
      const charts = [...document.querySelectorAll('.panel .chart')]
      window.timesGone = 0
      new MutationObserver(() => {
        if (charts.some((chart) => !chart.isConnected || chart.querySelector('svg') === null)) timesGone += 1
      }).observe(document.body, { childList: true, subtree: true })
    `)

    const now = new Date().toISOString().replace('T', ' ')
    await insertDeltas(clickhouse, 'events_per_minute', [
      {
        window: `${now.slice(0, 17)}00`,
        partition: 0,
        label: 'click',
        count: 1000,
        newestEvent: now.slice(0, 23),
      },
    ])
    await expect.poll(() => stream.locator('.chart').getAttribute('aria-label')).not.toBe(before)

    expect(await page.evaluate('timesGone')).toBe(0)
    expect(faults).toEqual([])
  })

  it('keeps its figures and names ClickHouse when that is gone, and goes on when it is back', async () => {
    const { page } = await visitDrawn()

    isClickHouseGone = true
    await page.locator('.banner', { hasText: 'ClickHouse does not answer' }).waitFor()
    expect(await page.locator('[data-panel=daily-active-users] .stat-value').textContent()).toBe('38')
    expect(await page.locator(drawnPanel).count()).toBe(7)
    expect(await page.locator('.panel[data-stale=true]').count()).toBe(7)

    isClickHouseGone = false
    await page.locator('.banner').waitFor({ state: 'detached' })
  })

  it('fits every screen from a phone to a wide one', async () => {
    const { page, faults } = await visitDrawn({ viewport: { width: 1920, height: 900 } })

    for (const width of [1920, 1440, 1000, 768, 390, 360, 320]) {
      await page.setViewportSize({ width, height: 900 })
      const charts = page.locator('.panel .chart svg.main-svg').first()
      await expect.poll(async () => (await charts.boundingBox())?.width ?? width).toBeLessThan(width)
      // The charts follow the width one after the other.
      await expect
        .poll(() => page.evaluate('document.documentElement.scrollWidth - innerWidth'))
        .toBeLessThanOrEqual(0)
    }
    expect(faults).toEqual([])
  })

  it('breaks names only between their words on the narrowest phone', async () => {
    const { page } = await visitDrawn({ viewport: { width: 320, height: 700 } })

    const broken = await page.evaluate(`
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT, (text) =>
        text.parentElement.closest('.list tbody th') ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP)
      const broken = []
      while (texts.nextNode()) {
        for (const { index, 0: word } of texts.currentNode.data.matchAll(/[^ ]+/g)) {
          const range = document.createRange()
          range.setStart(texts.currentNode, index)
          range.setEnd(texts.currentNode, index + word.length)
          if (range.getClientRects().length > 1) broken.push(word)
        }
      }
      broken
    `)

    expect(broken).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
  })

  it('follows the reader from light to dark, charts too', async () => {
    const { page } = await visitDrawn({ colorScheme: 'light' })
    const look = async () => ({
      page: await page.evaluate('getComputedStyle(document.body).backgroundColor'),
      bar: await page.locator('[data-panel=event-stream] .point path').first().getAttribute('style'),
    })
    const light = await look()

    await page.emulateMedia({ colorScheme: 'dark' })
    await expect.poll(async () => (await look()).bar).not.toBe(light.bar)

    expect((await look()).page).not.toBe(light.page)
  })

  it('tells of each minute under the pointer each series once, the provisional ones too', async () => {
    // The minutes that are drawn stay the same.
    const { page } = await visitDrawn({}, { clock: new ManualClock(sampledMs) })
    const panel = page.locator('[data-panel=logins-per-source]')
    const box = await panel.locator('.chart .nsewdrag').boundingBox()
    const answer = await page.request.get(`${page.url()}api/panels/logins-per-source`)
    const { figures, provisionalFrom } = panelAnswerSchema.parse(await answer.json())
    if (box === null || figures?.kind !== 'timeseries') throw new Error('the chart is not drawn')
    const halfMs = figures.stepSeconds * 500
    const fromMs = Date.parse(figures.from) - halfMs
    const perMs = box.width / (Date.parse(figures.to) + halfMs - fromMs)
    const [web, mobile] = figures.series.map(({ points }) => points)
    // The newest minute has just begun, and is not drawn.
    const minutes = web?.slice(-6, -1) ?? []

    for (const { time, value } of minutes) {
      await page.mouse.move(box.x + (Date.parse(time) - fromMs) * perMs, box.y + box.height / 2)
      const other = mobile?.find((point) => point.time === time)?.value
      await expect
        .poll(() => panel.locator('.hoverlayer').textContent())
        .toBe(`${hoverTitle(time)}web : ${value}mobile : ${other}`)
    }

    expect(minutes.filter(({ time }) => provisionalFrom !== null && time >= provisionalFrom)).not.toEqual([])
  })

  it('looks back as far as it is asked to', async () => {
    const { page, faults } = await visitDrawn()
    const label = page.locator('[data-panel=logins-per-source] .chart')
    const before = await label.getAttribute('aria-label')

    await page.getByText('24 h').click()
    await expect.poll(() => label.getAttribute('aria-label')).not.toBe(before)

    expect(await page.locator(drawnPanel).count()).toBe(7)
    expect(faults).toEqual([])
  })

  it('can be gone through by keyboard, and every chart has words', async () => {
    const { page } = await visitDrawn()

    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.name')).toBe('range')
    for (const chart of await page.locator('.chart').all()) {
      expect(await chart.getAttribute('aria-label')).toMatch(/\w+.*\d/)
    }
  })
})

/** `Thu 26 Nov, 10:15 UTC`. */
function hoverTitle(time: string): string {
  const part = (options: Intl.DateTimeFormatOptions): string =>
    new Date(time).toLocaleDateString('en-US', { ...options, timeZone: 'UTC' })
  const day = [part({ weekday: 'short' }), part({ day: 'numeric' }), part({ month: 'short' })].join(' ')
  return `${day}, ${time.slice(11, 16)} UTC`
}

describe('the page of a console that has ended', () => {
  it('says so and keeps what it has', async () => {
    const { page } = await visitDrawn()
    const [endConsole] = open

    await endConsole?.()
    await page.locator('.banner', { hasText: 'The console does not answer' }).waitFor()

    expect(await page.locator('[data-panel=daily-active-users] .stat-value').textContent()).toBe('38')
  })
})
