import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openSqliteEventLog } from '../../lib/eventlog/eventlog.sqlite.ts'
import { embeddedEnvironment } from '../../pipeline/platform/environment.fixture.ts'
import { findReplays } from '../../pipeline/rejected/replay-header.ts'
import { openCliHome } from '../cli.fixture.ts'

const kills = 10
const count = 200

it('sends each message once, however often it is killed', async () => {
  await using home = await openCliHome()
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-fix-'))
  try {
    const fix = join(folder, 'fix.mjs')
    await writeFile(fix, 'export default ({ text }) => text + "}"')
    const lines = Array.from(
      { length: count },
      (_, n) =>
        `{"event_id":"e${n}","user_id":7,"event_type":"click","page":"/","timestamp":"2026-11-20T10:00:00Z","source":"web"`,
    )
    await writeFile(join(folder, 'torn.ndjson'), lines.join('\n'))
    await home.lake('produce', '--from', join(folder, 'torn.ndjson'))
    await home.lake('land', '--drain')
    const main = join(import.meta.dirname, '..', 'main.ts')
    let sentBefore = 0
    for (let n = 0; n < kills; n++) {
      const words = ['rejected', 'replay', '--fix', fix, '--rate', '40']
      const child = spawn(process.execPath, ['--import', 'tsx', main, ...words], {
        env: { ...embeddedEnvironment(home.path), LOG_LEVEL: 'silent' },
        stdio: 'ignore',
      })
      await using log = await openSqliteEventLog({
        directory: join(home.path, 'eventlog'),
        topic: 'user-events',
      })
      // Killed while it sends: at another number of messages each time.
      const wanted = sentBefore + 1 + (n % 4) * 3
      await expect
        .poll(async () => (await findReplays(log, new Map())).found.size, { timeout: 20_000, interval: 5 })
        .toBeGreaterThanOrEqual(wanted)
      child.kill('SIGKILL')
      await once(child, 'exit')
      sentBefore = (await findReplays(log, new Map())).found.size
    }

    const last = JSON.parse((await home.lake('rejected', 'replay', '--fix', fix, '--json')).stdout)
    const landed = JSON.parse((await home.lake('land', '--drain', '--json')).stdout)

    expect(sentBefore).toBeLessThan(count)
    expect(last.sent).toBe(count - sentBefore)
    expect(landed).toMatchObject({ events: count, rejected: 0 })
    await using log = await openSqliteEventLog({
      directory: join(home.path, 'eventlog'),
      topic: 'user-events',
    })
    const { found, doubled } = await findReplays(log, new Map())
    expect([found.size, doubled.size]).toEqual([count, 0])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 180_000)
