import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildLake } from './built.fixture.ts'

let main = ''
let home = ''
beforeAll(async () => {
  main = await buildLake()
  home = await mkdtemp(join(tmpdir(), 'lakeshore-large-answer-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

const lengthOfValue = 350_000

/** The most memory that the process has had. */
async function peakKiBOf(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1] ?? 0)
}

describe('the lake process', () => {
  it('holds a part of a large answer alone, also where one value stands in thousands of rows', async () => {
    const sql = `select s from (select repeat('x', ${lengthOfValue}) as s), range(2048)`
    const child = spawn(process.execPath, [main, 'sql', sql, '--json'], {
      env: { PATH: '/usr/bin:/bin', LAKE_HOME: home, DUCKDB_THREADS: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })

    let [read, peakKiB] = [0, 0]
    for await (const piece of child.stdout) {
      read += piece.length
      if (read > 2000 * lengthOfValue && peakKiB === 0) peakKiB = await peakKiBOf(child.pid)
    }

    expect(read).toBeGreaterThan(2048 * lengthOfValue)
    expect(peakKiB).toBeGreaterThan(0)
    expect(peakKiB * 1024).toBeLessThan(2048 * lengthOfValue)
  })
})
