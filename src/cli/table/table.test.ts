import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lakeTableNames } from '../../pipeline/model/tables.ts'
import { type CliHome, openCliHome } from '../cli.fixture.ts'

let home: CliHome
beforeAll(async () => {
  home = await openCliHome()
})
afterAll(() => home[Symbol.asyncDispose]())

describe('lake table list', () => {
  it('shows the tables that can be read beside one that cannot, and exits 1 with its error', async () => {
    const log = join(home.path, 'tables/bronze/rejected/_delta_log')
    await mkdir(log, { recursive: true })
    await writeFile(join(log, '00000000000000000000.json'), '{"protocol":')

    const { exitCode, stdout, stderr } = await home.lake('table', 'list', '--json')
    const text = await home.lake('table', 'list')

    expect(exitCode).toBe(1)
    const problems = new Map<string, string | null>()
    for (const { table, problem } of JSON.parse(stdout)) problems.set(table, problem)
    expect([...problems.keys()]).toEqual(lakeTableNames)
    expect([...problems].filter(([, problem]) => problem !== null)).toEqual([
      ['bronze/rejected', expect.stringContaining('00000000000000000000.json')],
    ])
    expect(stderr).toContain('"code":"LOG_CORRUPT"')
    expect(text.stdout).toMatch(/bronze\/rejected .*cannot be read/)
    expect(text.stdout).toMatch(/silver\/events .*not written yet/)
  })
})
