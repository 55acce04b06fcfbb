import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
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

describe('lake table verify, lake doctor --deep', () => {
  it('names the data file that has changed', async () => {
    await using other = await openCliHome({ CLICKHOUSE_URL: 'http://127.0.0.1:2' })
    const rows = join(other.path, 'rows.ndjson')
    await writeFile(rows, '{"n":1}\n{"n":2}\n')
    await other.lake('table', 'append', 'people', '--from', rows)
    const folder = join(other.path, 'tables/people')
    const [name = ''] = (await readdir(folder)).filter((each) => each.endsWith('.parquet'))
    expect(await other.lake('table', 'verify', 'people')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('1 file, 0 broken, 0 without a checksum'),
    })

    const bytes = await readFile(join(folder, name))
    bytes[10] = (bytes[10] ?? 0) ^ 1
    await writeFile(join(folder, name), bytes)

    const { exitCode, stdout } = await other.lake('table', 'verify', 'people', '--json')
    expect(exitCode).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ broken: [{ path: name, problem: 'checksum' }] })
    const deep = JSON.parse((await other.lake('doctor', '--deep', '--json')).stdout)
    expect(deep.parts).toContainEqual(
      expect.objectContaining({
        part: 'data files',
        state: 'fail',
        finding: expect.stringContaining(`people/${name} (checksum)`),
      }),
    )
  })
})
