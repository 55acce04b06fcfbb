/**
 * `npm run chaos -- --kills N --seed S`: kills processes and brokers of a real Kafka cluster at random, and audits what
 * is left. Exit: 0 where the books balance, 1 where they do not, 2 where it could not be run.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../src/lib/base/errors.ts'
import { type ChaosReport, runChaos } from './chaos/chaos.ts'

const usage = `Usage: npm run chaos -- [--kills N] [--seed S] [--json]

Runs a Kafka cluster of three nodes, a producer, two landing and two realtime processes, and an embedded ClickHouse;
kills (SIGKILL) and stops (SIGSTOP) them at random; reads everything to its end; and compares the lake and the speed
layer with the log.

  --kills N    how many (default: 100; about 2 seconds each)
  --seed S     chooses them; the same seed chooses the same
  --json       the report as one JSON document
`

const say = (line: string): void => void process.stderr.write(`${line}\n`)

const wholeNumber = (name: string, text: string): number => {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new Error(`--${name}: expected a whole number, got ${text}`)
}

function describe(report: ChaosReport, home: string): string {
  const kills = Object.entries(report.kills).map(([what, n]) => `${n} × ${what}`)
  return `seed ${report.seed}
kills ${Object.values(report.kills).reduce((sum, n) => sum + n, 0)} (${kills.join(', ')})
rebalances ${report.rebalances}, fenced commits and inserts ${report.fenced}
messages ${report.messages}, of which ${report.acknowledged} were acknowledged to a witness: ${report.acknowledgedMissing} of these are missing, ${report.acknowledgedTwice} were sent twice by the client; ${report.failedAppends} of its appends failed
lost ${report.lost}, doubled ${report.doubled}, wrong windows ${report.wrongWindows}
${report.endedAlone.map((each) => `ended by itself: ${each}\n`).join('')}
The lake is in ${join(home, 'tables')}. In ClickHouse, this SQL gives no row if each offset of each partition is there once:

${report.sql};
`
}

const balances = (report: ChaosReport): boolean =>
  report.messages > 0 &&
  [report.lost, report.doubled, report.wrongWindows, report.acknowledgedMissing].every((n) => n === 0) &&
  report.sqlRows.length === 0 &&
  report.endedAlone.length === 0

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '100' },
      seed: { type: 'string', default: String(Date.now() % 100_000) },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false, short: 'h' },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const cacheDir = resolve(
    process.env['LAKE_SERVICES_CACHE'] ?? join(import.meta.dirname, '..', '.cache', 'services'),
  )
  mkdirSync(cacheDir, { recursive: true })
  writeFileSync(join(cacheDir, '.gitignore'), '*\n')
  const scratchDir = mkdtempSync(join(tmpdir(), 'lake-chaos-'))
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  const home = mkdtempSync(join(tmpdir(), 'lake-after-chaos-'))
  try {
    const report = await runChaos({
      kills: wholeNumber('kills', values.kills),
      seed: wholeNumber('seed', values.seed),
      place: { cacheDir, scratchDir },
      home,
      say,
      signal: interrupted.signal,
    })
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : describe(report, home))
    return balances(report) ? 0 : 1
  } finally {
    rmSync(scratchDir, { recursive: true, force: true })
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    say(messageOf(error))
    process.exit(2)
  },
)
