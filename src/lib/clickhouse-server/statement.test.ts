import { describe, expect, it } from 'vitest'
import { readStatement } from './statement.ts'

describe('readStatement(sql)', () => {
  it.each([
    ['SELECT 1', 'read'],
    ['  -- note\n/* more */ with x as (select 1) select * from x', 'read'],
    ['(select 1) union all (select 2)', 'read'],
    ['show tables', 'read'],
    ['WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x', 'write'],
    ['create table t (a Int8) engine Memory', 'write'],
    ['INSERT INTO t SELECT * FROM s', 'write'],
    ['SELECT insert, delete FROM t', 'read'],
    ['SET max_threads = 1', 'session'],
    ['use other', 'session'],
    ['create temporary table x (a Int8)', 'session'],
    [' -- nothing', 'empty'],
  ])('takes %j for a statement that is %s', (sql, kind) => {
    expect(readStatement(sql).kind).toBe(kind)
  })

  it.each([
    ['select 1 format CSV', 'CSV'],
    ['select 1 FORMAT JSON settings max_threads = 1;', 'JSON'],
    ["select 'x format CSV' as format", undefined],
    ['select format from t', undefined],
    ['select (select 1 format CSV)', undefined],
    ['select 1 -- format CSV', undefined],
  ])('finds the format of %j: %s', (sql, format) => {
    expect(readStatement(sql)).toMatchObject({ format })
  })

  it.each([
    ["'", 'x'],
    ["'", "\\'"],
    ["'", "''"],
    ['`', '``'],
  ])('reads to its end a statement with a text of many megabytes within %s, of %j', (quote, piece) => {
    const sql = `select ${quote}${piece.repeat(12_000_000)}${quote} format CSV`

    expect(readStatement(sql)).toMatchObject({ kind: 'read', format: 'CSV' })
  })

  it('says where a result file would be named', () => {
    const withFormat = readStatement('select 1 FORMAT CSV')
    const without = readStatement('select 1 ; -- end')

    expect(withFormat).toMatchObject({ resultAt: 'select 1 '.length })
    expect(without).toMatchObject({ resultAt: 'select 1'.length })
  })

  it.each([
    ['INSERT INTO t FORMAT JSONEachRow\n{"a":1}', 'INSERT INTO t ', '', 'JSONEachRow', '{"a":1}'],
    ['insert into t (a, `b c`) values (1, 2)', 'insert into t (a, `b c`) ', '', 'Values', '(1, 2)'],
    [
      'INSERT INTO db.format SETTINGS async_insert=0 FORMAT CSV\r\n1;2',
      'INSERT INTO db.format ',
      'SETTINGS async_insert=0 ',
      'CSV',
      '1;2',
    ],
    ['INSERT INTO TABLE values FORMAT TSV\n\n', 'INSERT INTO TABLE values ', '', 'TSV', '\n'],
    [
      "INSERT INTO FUNCTION file('a FORMAT b') FORMAT RowBinary\n\0",
      "INSERT INTO FUNCTION file('a FORMAT b') ",
      '',
      'RowBinary',
      '\0',
    ],
  ])('finds the data of %j', (sql, target, settings, format, rest) => {
    const statement = readStatement(sql)

    expect(statement).toMatchObject({ kind: 'insert', parts: { target, settings, format } })
    expect(statement.kind === 'insert' && sql.slice(statement.parts.dataAt)).toBe(rest)
  })

  it.each([
    ['select 1; drop table t', 62],
    ['insert into t select 1; select 2', 62],
    ["select 1 into outfile '/etc/passwd'", 48],
    ["insert into t from infile '/etc/passwd' format CSV", 48],
    ["select file('/etc/passwd')", 497],
    ["select 1 + length(FILE ('/etc/passwd'))", 497],
    ["select `file`('/etc/passwd')", 497],
    ['select "\\x66ile"(\'/etc/passwd\')', 497],
    ["insert into t select file('/etc/passwd')", 497],
    ["insert into t with a as (select file('/etc/passwd')) select a from a", 497],
    ['create function f as x -> file(x)', 497],
    ["create table t (a int) engine = EmbeddedRocksDB(0, '/tmp/x') primary key a", 497],
    ['create table t (a int) engine = MergeTree order by a settings disk = disk(type = s3)', 497],
  ])('refuses %j with code %d', (sql, code) => {
    expect(readStatement(sql)).toMatchObject({ kind: 'refused', code })
  })

  it.each([
    "select ';' ; ",
    'select `;`',
    'select $x$ ; $x$',
    'select 1 /* ; select */',
    "select 'it\\';s'",
    "select 'file(1)', file, `file` from x.file where file = ('a')",
  ])('sees one statement in %j', (sql) => {
    expect(readStatement(sql).kind).toBe('read')
  })

  it.each([
    'create table file (a UInt8) engine = Memory',
    'create table if not exists db.disk (a UInt8) engine = Memory',
    'insert into file (a) select 1',
  ])('lets a table be called like a function: %j', (sql) => {
    expect(readStatement(sql).kind).toBe('write')
  })
})
