/** The commands that `docs/books.md` shows do what it says of them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type CliHome, openCliHome, type Ran } from '../cli/cli.fixture.ts'

const guide = readFileSync(join(import.meta.dirname, '../../docs/books.md'), 'utf8')

/** A command line's words: those in quotes may hold blanks. */
const wordsOf = (command: string): readonly string[] =>
  [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')

/** The commands of the incident, in the order in which they are told. */
const incident = guide.slice(guide.indexOf('## An incident'))
const commands = [...incident.matchAll(/^lake .+$|`(lake (?:trace|explain|release)[^`]+)`/gm)].map(
  ([line, inline]) => (inline ?? line).replaceAll(/\s+/g, ' '),
)

let home: CliHome
beforeAll(async () => {
  home = await openCliHome()
  const history = [
    '--seed',
    '5',
    '--count',
    '300',
    '--history-days',
    '1',
    '--until',
    '2026-11-21',
    '--malformed',
    '0',
  ]
  for (const command of [['produce', ...history], ['land', '--drain'], ['realtime', '--drain'], ['batch']]) {
    expect(await home.lake(...command)).toMatchObject({ exitCode: 0 })
  }
})
afterAll(() => home[Symbol.asyncDispose]())

const told = (command: string): Promise<Ran> => home.lake(...wordsOf(command).slice(1))

describe('docs/books.md', () => {
  it('names an identity of each name that the ledger has', async () => {
    const { stdout, exitCode } = await home.lake('ledger', '--json')
    const { identities } = z
      .object({ identities: z.array(z.object({ name: z.string() })) })
      .parse(JSON.parse(stdout))

    expect(exitCode).toBe(0)
    const names = [...new Set(identities.map(({ name }) => name))]
    expect(
      names.filter((name) => !guide.includes(name.replace('gold in Delta = serving', '… = serving'))),
    ).toEqual([])
  })

  it('leads from a row that was changed to the numbers that balance again', async () => {
    expect(commands).toHaveLength(6)
    const [change = '', trace = '', explain = '', batch = '', ledger = '', list = ''] = commands

    expect((await told(change)).exitCode).toBe(0)
    const alarm = await told('lake ledger')
    expect(alarm.exitCode).toBe(1)
    expect(alarm.stdout).toMatch(/silver\/events .* 2026-11-20 .* 1 × other values than in bronze .* 0\/3/)
    const way = await told(trace)
    expect(way.stdout).toMatch(/in silver/)
    expect(way.exitCode).toBe(0)
    expect((await told(explain)).exitCode).toBe(0)
    expect((await told(batch)).stdout).toContain('readers see release 2')
    expect((await told(ledger)).exitCode).toBe(0)
    const releases = z
      .array(z.object({ id: z.number() }))
      .parse(JSON.parse((await told(`${list} --json`)).stdout))
    expect(releases.map(({ id }) => id)).toEqual([2, 1])
  })

  it.each([
    ['check --json', '"state":"passed"'],
    ['reconcile --json', '"balanced":true'],
    ['check silver/events --date 2026-11-20', 'passed'],
    ['check bronze/events', 'not decided: bronze/events, the number of rows is within 50 % of its weekday'],
    ['reconcile --from 2026-11-20 --to 2026-11-21', 'compared up to 0/'],
    ['explain gold/daily_active_users --date 2026-11-20 --json', '"offsets":['],
    ['release show 1', 'release 1 of run 1'],
    ['ledger --full', 'balanced'],
  ])('tells it by lake %s', async (command, words) => {
    const { exitCode, stdout } = await home.lake(...wordsOf(command))

    expect(stdout).toContain(words)
    expect(exitCode).toBe(0)
  })

  it.each([
    ['check gold/nothing', 'expected a table of the platform'],
    ['reconcile --from 2026-11-20', 'expected both --from and --to'],
    ['explain bronze/events --date 2026-11-20', 'expected a table of gold, or silver/events'],
    ['explain gold/daily_active_users', '--date'],
    ['trace 0', 'offset'],
    ['sql --release 1 --engine clickhouse "select 1"', 'expected --engine duckdb'],
  ])('is told how to go on after lake %s', async (command, words) => {
    const { exitCode, stderr } = await home.lake(...wordsOf(command))

    expect(stderr).toContain(words)
    expect(exitCode).toBe(2)
  })

  it('is told of a release that is not there', async () => {
    const { exitCode, stderr } = await home.lake('release', 'show', '99')

    expect(stderr).toContain('lake release list')
    expect(exitCode).toBe(1)
  })

  it('says which numbers a later run has changed, by which run, and from what it has read', async () => {
    const [command = ''] = /^lake table diff .+$/m.exec(guide) ?? []
    const more = ['--seed', '6', '--count', '40', '--history-days', '1', '--until', '2026-11-21']
    const ids: number[] = []
    for (const step of [
      ['produce', ...more],
      ['land', '--drain'],
      ['batch', '--json'],
    ]) {
      const { stdout } = await home.lake(...step)
      if (step[0] === 'batch') ids.push(z.object({ runId: z.number() }).parse(JSON.parse(stdout)).runId)
    }
    const [run = 0] = ids

    const runs = command.replace('--from-run 1 --to-run 2', `--from-run ${run - 1} --to-run ${run}`)
    const { exitCode, stdout, stderr } = await told(`${runs} --json`)

    expect([exitCode, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({
      added: 0,
      removed: 0,
      columns: [{ column: 'event_count' }],
      causes: [{ run, madeFrom: [{ table: 'silver/events' }, { table: 'bronze/events' }] }],
    })
    expect(JSON.parse(stdout).changed).toBeGreaterThan(0)
    expect((await told(`${command} --to-run 99`)).stderr).toContain('lake runs list')
  })

  it('finds every row that broke a check, and what became of it', async () => {
    const query = /```sql\n(?<sql>[\s\S]*?quality\.violations[\s\S]*?)```/.exec(guide)?.groups?.['sql'] ?? ''
    const since = async (ask: number): Promise<unknown> => {
      const sql = `${query.replaceAll(/ask (<?=) 3/g, `ask $1 ${ask}`)} order by row_key`
      const { stdout, stderr } = await home.lake('sql', sql, '--json')
      expect(stderr).toBe('')
      return stdout
        .trim()
        .split('\n')
        .map((line) => [JSON.parse(line).row_key, JSON.parse(line).since])
    }
    const row = (offset: number): string => JSON.stringify({ kafka_partition: 0, kafka_offset: offset })
    const setUsers = async (user: number, offsets: string): Promise<void> => {
      const where = `kafka_partition = 0 and kafka_offset in (${offsets})`
      const set = `user_id = ${user}`
      const change = ['update', 'bronze/events', '--set', set, '--where', where, '--force']
      expect(await home.lake('table', ...change)).toMatchObject({ exitCode: 0 })
    }

    await setUsers(-1, '3, 4')
    const first = await home.lake('check', 'bronze/events', '--json')
    await setUsers(1, '3')
    await setUsers(-1, '5')
    const second = await home.lake('check', 'bronze/events')

    expect(first.stdout).toContain(
      '"rows":[{"since":"new","partition":0,"offset":3},{"since":"new","partition":0,"offset":4}]',
    )
    expect(second.stdout).toContain('the event is valid: new 0/5; still 0/4; fixed 0/3')
    expect(await since(1)).toEqual([
      [row(3), 'new'],
      [row(4), 'new'],
    ])
    expect(await since(2)).toEqual([
      [row(3), 'fixed'],
      [row(4), 'still'],
      [row(5), 'new'],
    ])
  })
})
