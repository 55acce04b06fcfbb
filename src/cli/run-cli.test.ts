import { chmod, lstat, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CliHome, Collected, openCliHome } from './cli.fixture.ts'
import { runCli } from './run-cli.ts'

let home: CliHome

beforeAll(async () => {
  home = await openCliHome()
  await home.lake('produce', '--seed', '7', '--count', '2000', '--history-days', '2', '--malformed', '0.1')
  await home.lake('land', '--drain')
})

afterAll(async () => {
  await home[Symbol.asyncDispose]()
})

const parsed = (text: string): unknown => JSON.parse(text)

describe('lake --help', () => {
  const leaves = [
    'up',
    'doctor',
    'produce',
    'land',
    'realtime',
    'batch',
    'backfill',
    'schedule',
    'runs list',
    'runs days',
    'runs show',
    'runs logs',
    'runs retry',
    'runs cancel',
    'runs replay',
    'table list',
    'table show',
    'table read',
    'table history',
    'table diff',
    'table append',
    'table overwrite',
    'table delete',
    'table update',
    'table merge',
    'table alter',
    'table optimize',
    'table vacuum',
    'table restore',
    'table checkpoint',
    'sql',
    'rejected list',
    'stream drift',
    'rejected show',
    'rejected replay',
    'rejected replays',
  ]

  it.each(leaves)('tells what `%s` does, with an example and --json', async (command) => {
    const { exitCode, stdout } = await home.lake(...command.split(' '), '--help')

    expect(exitCode).toBe(0)
    expect(stdout).toContain(`Usage: lake ${command}`)
    expect(stdout).toMatch(/Examples:\n {2}\S*.*lake /)
    expect(stdout).toContain('--json')
  })
})

describe('lake help COMMAND…', () => {
  it('shows what --help shows, at any depth', async () => {
    const asked = await home.lake('help', 'table', 'read')

    expect(asked.exitCode).toBe(0)
    expect(asked.stdout).toContain('Usage: lake table read')
    expect(asked.stdout).toBe((await home.lake('table', 'read', '--help')).stdout)
  })
})

describe('usage errors', () => {
  it.each([
    [['tabel'], 'Did you mean table?'],
    [['table', 'raed'], 'Did you mean read?'],
    [['table'], 'COMMAND --help'],
    [['sql', '--engine', 'oracle', 'select 1'], 'lake sql --help'],
    [['produce', '--late', '3'], 'lake produce --help'],
    [['produce', '--from', 'x', '--ledger', 'y'], '--help'],
    [['produce', '--until', '2026-01-01'], '--help'],
    [['table', 'read', 'bronze/events', '--out', 'x.xls'], '--help'],
    [['table', 'read', 'bronze/nothing'], 'lake table list'],
    [
      ['table', 'read', 'bronze/events', '--version', '1', '--timestamp', '2026-01-01'],
      'lake table read --help',
    ],
    [
      ['table', 'show', 'bronze/events', '--version', '1', '--timestamp', '2026-01-01'],
      'lake table show --help',
    ],
    [['help', 'table', 'raed'], 'Did you mean read?'],
    [['tabel', '--help'], 'Did you mean table?'],
    [['lineage', '--help'], 'The commands are up, '],
    [['table', 'raed', '--help'], 'Did you mean read?'],
    [['table', 'read', 'gold/daily_active_user'], 'Did you mean gold/daily_active_users?'],
    [['table', 'read', 'gold/daily_active_users'], 'lake batch'],
    [['batch', '--from', '2026-02-30', '--to', '2026-03-02'], 'lake batch --help'],
    [['batch', '--from', '2026-02-03', '--to', '2026-02-03'], 'left out'],
    [['backfill', '--from', '2026-02-03', '--to', '2026-02-03'], 'left out'],
    [['backfill', '--from', '2026-02-03'], 'lake backfill --help'],
    [['backfill', '--from', '2026-02-01', '--to', '2026-02-03', '--task', 'nothing'], 'lake backfill --help'],
    [['runs', 'days', '--table', 'bronze/events'], 'lake runs days --help'],
  ])('%j exits 2 and says how to go on', async (argv, hint) => {
    const { exitCode, stdout, stderr } = await home.lake(...argv)

    expect(exitCode).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(hint)
  })

  it('name each variable that is wrong', async () => {
    await using other = await openCliHome({ EVENTS_PER_SECOND: 'many' })

    const { exitCode, stderr } = await other.lake('produce', '--count', '1')

    expect(exitCode).toBe(2)
    expect(stderr).toContain('EVENTS_PER_SECOND')
  })

  it.each(['up', 'schedule'])('name a wrong BATCH_CRON before `%s` has begun anything', async (command) => {
    await using other = await openCliHome({ BATCH_CRON: '61 * * * *' })

    const { exitCode, stdout, stderr } = await other.lake(command)

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toMatch(/^lake: BATCH_CRON .*minute.*\n {2}→ .+\n$/)
    expect(await readdir(other.path)).toEqual([])
  })

  it('name the home that cannot be written, in two lines', async () => {
    const impossible = join(import.meta.filename, 'home')
    await using other = await openCliHome({ LAKE_HOME: impossible })

    const { exitCode, stderr } = await other.lake('land', '--drain')

    expect(exitCode).toBe(2)
    expect(stderr.split('\n')).toHaveLength(3)
    expect(stderr).toContain(impossible)
  })
})

describe('a LAKE_HOME that is a file', () => {
  it('is called one', async () => {
    await using other = await openCliHome({ LAKE_HOME: import.meta.filename })

    expect((await other.lake('land', '--drain')).stderr).toContain('not a directory')
  })
})

describe('failures of data', () => {
  it.each([
    [['table', 'read', 'bronze/events', '--version', '99']],
    [['table', 'read', 'bronze/events', '--columns', 'nothing']],
    [['table', 'read', 'bronze/events', '--where', 'nothing = 1']],
    [['table', 'read', 'bronze/events', '--where', 'true); drop table x; --']],
    [['table', 'read', 'bronze/events', '--where', 'true) or (true']],
    [['table', 'read', 'bronze/events', '--where', 'true order by 1']],
    [['sql', 'selec']],
    [['sql', "from at_version('bronze/events', 99)"]],
    [['runs', 'show', '99']],
  ])('exit 1: %j', async (argv) => {
    const { exitCode, stdout, stderr } = await home.lake(...argv)

    expect(exitCode).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^lake: .+\n {2}→ .+\n$/)
  })

  it('are JSON in the last line of stderr where JSON is asked for', async () => {
    const { stdout, stderr } = await home.lake('runs', 'show', '99', '--json')

    expect(stdout).toBe('')
    expect(parsed(stderr.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      error: { code: 'RUN_MISSING', message: expect.any(String), hint: expect.any(String) },
    })
  })

  it('show a stack trace to who asks for it, and to nobody else', async () => {
    const plain = await home.lake('runs', 'show', '99')
    const debug = await home.lake('runs', 'show', '99', '--debug')

    expect(plain.stderr).not.toContain('at ')
    expect(debug.stderr).toMatch(/\n\s+at /)
  })
})

describe('lake produce', () => {
  it('shows a fresh seed, with which the same bytes are made again', async () => {
    const options = ['produce', '--history-days', '1', '--count', '50', '--until', '2026-01-02', '--out', '-']
    const first = await home.lake(...options)
    const seed = /^seed (?<seed>\d+)$/m.exec(first.stderr)?.groups?.['seed'] ?? ''

    const again = await home.lake(...options, '--seed', seed)

    expect(first.stdout.split('\n')).toHaveLength(51)
    expect(again.stdout).toBe(first.stdout)
  })
})

describe('lake land --drain', () => {
  it('says what it landed, and nothing more the second time', async () => {
    const { exitCode, stdout } = await home.lake('land', '--drain', '--json')

    expect(exitCode).toBe(0)
    expect(parsed(stdout)).toEqual({ events: 0, rejected: 0, commits: 0 })
  })
})

describe('lake table', () => {
  it('shows what the log of a table says', async () => {
    const { stdout } = await home.lake('table', 'show', 'bronze/events', '--json')

    const shown = parsed(stdout)
    expect(shown).toMatchObject({
      version: 1,
      partitionColumns: ['event_date'],
      protocol: {},
      properties: {},
    })
    expect(Object.keys(Object(shown)).sort()).toEqual(
      [
        'version',
        'protocol',
        'schemaString',
        'partitionColumns',
        'properties',
        'numFiles',
        'numRecords',
        'sizeBytes',
        'transactions',
      ].sort(),
    )
  })

  it('reads by name, by path and by URI alike', async () => {
    const path = join(home.path, 'tables/bronze/events')
    const options = ['--columns', 'event_id', '--where', "event_type = 'click' -- all", '--json']

    const answers = await Promise.all(
      ['bronze/events', 'bronze.events', path, `file://${path}`].map((table) =>
        home.lake('table', 'read', table, ...options),
      ),
    )

    const inOrder = answers.map(({ stdout }) => stdout.split('\n').sort().join('\n'))
    expect(new Set(inOrder).size).toBe(1)
    expect(answers[0]?.stdout.trimEnd().split('\n').length).toBeGreaterThan(3)
  })

  it('explains which files a condition needs, and reads the same rows', async () => {
    const where = "event_date >= date '9000-01-01'"

    const plan = await home.lake('table', 'read', 'bronze/events', '--where', where, '--explain', '--json')
    const all = await home.lake('table', 'read', 'bronze/events', '--explain')
    const rows = await home.lake('table', 'read', 'bronze/events', '--where', where, '--json')

    const { files } = Object(parsed(plan.stdout)) as { readonly files: number }
    expect(parsed(plan.stdout)).toMatchObject({ filesRead: 0, skippedByPartition: files, sizeBytesRead: 0 })
    expect(all.stdout).toContain(`reads ${files} of ${files} files`)
    expect(rows).toMatchObject({ exitCode: 0, stdout: '' })
  })

  it('reads older versions by number and by time', async () => {
    const history = await home.lake('table', 'history', 'bronze/events', '--json')
    const [newest, oldest] = Object(parsed(history.stdout)) as readonly { readonly timestamp: string }[]

    const byNumber = await home.lake('table', 'read', 'bronze/events', '--version', '0', '--json')
    const byTime = await home.lake(
      'table',
      'show',
      'bronze/events',
      '--timestamp',
      oldest?.timestamp ?? '',
      '--json',
    )

    expect(newest).toMatchObject({ version: 1 })
    expect(byNumber).toMatchObject({ exitCode: 0, stdout: '' })
    expect(parsed(byTime.stdout)).toMatchObject({ version: 0 })
  })

  it.each([
    'parquet',
    'csv',
    'ndjson',
  ])('writes a whole .%s file, with the columns in order', async (ending) => {
    const out = join(home.path, `events.${ending}`)

    const { exitCode } = await home.lake('table', 'read', 'bronze/events', '--out', out)
    const read = await home.lake('sql', `from '${out}' limit 1`, '--json')
    const shown = await home.lake('table', 'read', 'bronze/events', '--limit', '1', '--json')

    expect(exitCode).toBe(0)
    expect(Object.keys(Object(parsed(read.stdout)))).toEqual(Object.keys(Object(parsed(shown.stdout))))
    expect((await readdir(home.path)).filter((name) => name.startsWith('.events'))).toEqual([])
  })

  it('lists also what has not been written yet', async () => {
    const { stdout } = await home.lake('table', 'list', '--json')

    const listed = Object(parsed(stdout)) as readonly object[]
    expect(listed).toHaveLength(8)
    expect(listed).toContainEqual(expect.objectContaining({ table: 'bronze/events', version: 1 }))
    expect(listed).toContainEqual(expect.objectContaining({ table: 'silver/events', version: null }))
  })
})

describe('lake sql', () => {
  it.each([
    ['-- a note\nselect 1 as x', '{"x":1}\n'],
    ['--note=1\nselect 1 as x', '{"x":1}\n'],
    ['\nselect 1 as x', '{"x":1}\n'],
    ["select ';' as a; select 2 as b;", '{"b":2}\n'],
    [
      'select 1 as "__proto__", 2 as "2024", 3 as a, 4 as a, 5 as "a:1"',
      '{"__proto__":1,"2024":2,"a":3,"a:2":4,"a:1":5}\n',
    ],
  ])('answers %j', async (statement, stdout) => {
    expect(await home.lake('sql', statement, '--json')).toEqual({ exitCode: 0, stdout, stderr: '' })
  })

  it('writes the last answer of several to a file', async () => {
    const out = join(home.path, 'last.csv')

    const made = await home.lake(
      'sql',
      'create table t as select 1 as a; select a, 2 as "1" from t',
      '--out',
      out,
    )

    expect(made).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('is gone now') })
    expect(await readFile(out, 'utf8')).toBe('a,1\n1,2\n')
  })

  it.each([
    'csv',
    'parquet',
  ])('keeps the link and the mode of a .%s file that --out replaces', async (ending) => {
    const target = join(home.path, `real.${ending}`)
    const link = join(home.path, `link.${ending}`)
    await writeFile(target, 'before')
    await chmod(target, 0o640)
    await symlink(target, link)

    expect(await home.lake('sql', 'select 1 as a', '--out', link)).toMatchObject({ exitCode: 0 })

    expect((await lstat(link)).isSymbolicLink()).toBe(true)
    expect((await stat(target)).mode & 0o777).toBe(0o640)
    expect(await readFile(target, 'latin1')).toMatch(/^(a\n1\n|PAR1)/)
  })

  it('stops at --limit, in any format', async () => {
    const { stdout } = await home.lake(
      'sql',
      'select range as n from range(10)',
      '--format',
      'csv',
      '--limit',
      '2',
    )

    expect(stdout).toBe('n\n0\n1\n')
  })

  it('says where a table of ClickHouse is to be asked for', async () => {
    const { exitCode, stderr } = await home.lake('sql', 'select * from realtime.events_per_minute')

    expect(exitCode).toBe(1)
    expect(stderr).toContain('add --engine clickhouse')
  })

  it('knows the tables that a user made under LAKE_URI, by name and folder', async () => {
    const rows = join(home.path, 'people.ndjson')
    await writeFile(rows, '{"id":1}\n')
    for (const name of ['people', 'team/a/people', 'gold/own'])
      await home.lake('table', 'append', name, '--from', rows)

    const sql = 'from people union all from "team/a".people union all from gold.own'
    expect((await home.lake('sql', sql, '--format', 'csv')).stdout).toBe('id\n1\n1\n1\n')
    const list: unknown = JSON.parse((await home.lake('table', 'list', '--json')).stdout)
    expect(list).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ table: 'people', version: 0, numRecords: 1, problem: null }),
        expect.objectContaining({ table: 'team/a/people', version: 0 }),
        expect.objectContaining({ table: 'gold/own' }),
      ]),
    )
  })

  it('sees the lake at its newest version, and at older ones', async () => {
    const count = async (from: string): Promise<unknown> =>
      parsed((await home.lake('sql', `select count(*) as n from ${from}`, '--json')).stdout)

    expect(await count("at_version('bronze.events', 0)")).toEqual({ n: 0 })
    expect(await count("at_timestamp('bronze/events', '2999-01-01T00:00:00Z')")).toEqual(
      await count('bronze.events'),
    )
  })

  it('takes a time without a zone for one in UTC, wherever the machine is', async () => {
    const zone = process.env['TZ']
    process.env['TZ'] = 'Asia/Tokyo'
    const inAMinute = new Date(Date.now() + 60_000).toISOString().replace('Z', '')

    const { exitCode } = await home.lake('sql', `from at_timestamp('bronze.events', '${inAMinute}') limit 1`)
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone

    expect(exitCode).toBe(0)
  })

  it('keeps all digits, and what JSON cannot hold', async () => {
    const values =
      "9223372036854775807 as big, 'nan'::double as n, '\\x01'::blob as b, 1.50::decimal(4,2) as d"

    const { stdout } = await home.lake('sql', `select ${values}`, '--json')

    expect(stdout).toBe('{"big":9223372036854775807,"n":"NaN","b":"AQ==","d":"1.50"}\n')
  })

  it('tells null from an empty text in CSV', async () => {
    const { stdout } = await home.lake('sql', "select null as a, '' as b, 'x,\"y' as c", '--format', 'csv')

    expect(stdout).toBe('a,b,c\n,"","x,""y"\n')
  })

  it('names the tables of the lake where it has none of that name, and none of the engine', async () => {
    const { exitCode, stderr } = await home.lake('sql', 'select * from gold.daily_active_user')

    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/daily_active_user does not exist!\n {2}→ Did you mean gold\.daily_active_users\?/)
    expect(stderr).not.toContain('pg_')
  })

  it('leaves no file behind where the statement fails', async () => {
    const out = join(home.path, 'failed.parquet')

    const { exitCode } = await home.lake('sql', "select error('no')", '--out', out)

    expect(exitCode).toBe(1)
    expect((await readdir(home.path)).filter((name) => name.includes('failed'))).toEqual([])
  })
})

describe('lake doctor', () => {
  it('tells of each part, and exits 2 where one fails', async () => {
    await using other = await openCliHome({ CLICKHOUSE_URL: 'http://127.0.0.1:2', CONSOLE_HOST: '0.0.0.0' })

    const { exitCode, stdout, stderr } = await other.lake('doctor', '--json')

    expect(exitCode).toBe(2)
    expect(parsed(stdout)).toMatchObject({
      ok: false,
      parts: expect.arrayContaining([
        expect.objectContaining({ part: 'event log', state: 'ok' }),
        expect.objectContaining({
          part: 'engine',
          finding: expect.stringMatching(/^duckdb, version v/),
        }),
        expect.objectContaining({ part: 'ClickHouse', state: 'fail', mend: expect.stringMatching(/./) }),
        expect.objectContaining({ part: 'console', mend: expect.stringContaining('CONSOLE_TOKEN') }),
        expect.objectContaining({ part: 'run store', state: 'ok' }),
      ]),
    })
    expect(stderr).not.toContain('    at ')
  })
})

describe('runCli(argv, { signal })', () => {
  it('exits 130 when a finite command is interrupted, and 0 when an endless one is', async () => {
    const ended = async (...argv: readonly string[]): Promise<number> => {
      const [stdout, stderr] = [new Collected(), new Collected()]
      const signal = AbortSignal.timeout(300)
      return runCli(argv, { env: { LAKE_HOME: home.path }, stdout, stderr, signal })
    }

    expect(await ended('produce', '--count', '100000', '--eps', '5')).toBe(130)
    expect(await ended('sql', 'select sum(a.range * b.range) from range(10000000) a, range(1000000) b')).toBe(
      130,
    )
    expect(await ended('produce', '--eps', '5')).toBe(0)
    expect(await ended('land')).toBe(0)
  })
})

describe('the ledger of `lake produce`', () => {
  it('is what was sent', async () => {
    const ledger = join(home.path, 'ledger.json')
    await using other = await openCliHome()

    const { stdout } = await other.lake(
      ...['produce', '--history-days', '1', '--count', '100', '--ledger', ledger, '--json'],
    )

    expect(parsed(stdout)).toMatchObject({ sent: 100, end: 'complete' })
    expect(parsed(await readFile(ledger, 'utf8'))).toMatchObject({ sent: 100 })
  })
})
