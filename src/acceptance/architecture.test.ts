/** The dependency rules of the house. A failing line names the file and the rule it breaks. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  brokenDeltaRooms,
  brokenModules,
  brokenRooms,
  environmentNames,
  hintsBelowTheCli,
  type Import,
  importsOf,
  isTest,
  optionsOf,
  pastDeltaDoor,
  readersOfEnvironment,
  type SourceFile,
  straysOfAdapters,
  straysOfDrivers,
  usesOfFixtures,
  wordsOfThePlatform,
} from './house.ts'

const src = join(import.meta.dirname, '..')

/** Named from `src`, also what lies beside it. */
const sourcesBelow = (folder: string): readonly SourceFile[] =>
  readdirSync(join(src, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
    .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))
    .map((path) => ({ path, text: readFileSync(join(src, path), 'utf8') }))

const everyFile = ['.', '../bench', '../scripts'].flatMap(sourcesBelow)
const files = sourcesBelow('.').filter(({ path }) => !isTest(path))
const imports = files.flatMap(importsOf)

const importing = (from: string, ...statements: string[]): readonly Import[] =>
  importsOf({ path: from, text: statements.join('\n') })

describe('importsOf(file)', () => {
  it('finds static, type-only, re-exporting, bare and dynamic imports', () => {
    const found = importing(
      'lib/delta/commit.ts',
      "import { a } from '../base/a.ts'",
      "import type {\n  B,\n} from './b.ts'",
      "export * from '../storage/c.ts'",
      "import 'pkg/register'",
      "const d = await import('@scope/pkg/deep')",
    )

    expect(found.map(({ to, isTypeOnly }) => `${to}${isTypeOnly ? ' (type)' : ''}`).sort()).toEqual([
      '@scope/pkg',
      'lib/base/a.ts',
      'lib/delta/b.ts (type)',
      'lib/storage/c.ts',
      'pkg',
    ])
  })

  it('does not take a comment for an import', () => {
    expect(importing('lib/a.ts', "// import 'x'", "/* import 'y' */", " * import z from 'z'")).toEqual([])
  })
})

describe('the rooms of src', () => {
  it('know only what lies below them', () => {
    expect(brokenRooms(imports)).toEqual([])
  })

  it.each([
    ['lib/delta/commit.ts', '../../pipeline/model/tables.ts'],
    ['pipeline/platform/compose.ts', '../../cli/main.ts'],
    ['console/server.ts', '../notebook/index.ts'],
    ['pipeline/landing/landing.ts', '../../../scripts/produce.ts'],
    ['pipeline/platform/config.ts', '../../stray/file.ts'],
  ])('are broken by %s importing %s', (from, to) => {
    expect(brokenRooms(importing(from, `import { x } from '${to}'`))).toHaveLength(1)
  })
})

describe('the modules of src/lib', () => {
  it('know only what lies below them', () => {
    expect(brokenModules(imports)).toEqual([])
  })

  it.each([
    ['lib/base/json.ts', '../storage/store.ts'],
    ['lib/dag/execute.ts', '../runs/run-book.ts'],
    ['lib/schedule/schedule.ts', '../runs/ticks.ts'],
    ['lib/storage/store.ts', '../delta/commit.ts'],
    ['lib/delta/commit.ts', '../clickhouse/client.ts'],
    ['lib/clickhouse/connection.ts', '../clickhouse-server/launch.ts'],
    ['lib/compute/compute.ts', '../clickhouse-server/embedded.ts'],
    ['lib/novel/new.ts', '../base/json.ts'],
  ])('are broken by %s importing %s', (from, to) => {
    expect(brokenModules(importing(from, `import type { X } from '${to}'`))).toHaveLength(1)
  })
})

describe('the Delta library', () => {
  it('is entered by its door, by tests and scripts too', () => {
    expect(pastDeltaDoor(everyFile.flatMap(importsOf))).toEqual([])
  })

  it.each([
    ['pipeline/batch/days.ts', '../../lib/delta/log/actions.ts'],
    ['lib/compute/compute.ts', '../delta/table.ts'],
    ['../bench/delta/open.ts', '../../src/lib/delta/table.ts'],
  ])('is entered past its door by %s importing %s', (from, to) => {
    expect(pastDeltaDoor(importing(from, `import type { X } from '${to}'`))).toHaveLength(1)
  })

  it('has rooms that know only what lies below them', () => {
    expect(brokenDeltaRooms(imports)).toEqual([])
  })

  it.each([
    ['lib/delta/schema/schema.ts', '../log/actions.ts'],
    ['lib/delta/snapshot/snapshot.ts', '../rows/scan.ts'],
    ['lib/delta/table.ts', './maintain/optimize.ts'],
    ['lib/delta/change/append.ts', '../maintain/optimize.ts'],
    ['lib/delta/novel/new.ts', '../log/actions.ts'],
    ['lib/delta/log/commit.ts', '../index.ts'],
  ])('has a room that is broken by %s importing %s', (from, to) => {
    expect(brokenDeltaRooms(importing(from, `import type { X } from '${to}'`))).toHaveLength(1)
  })
})

describe('a driver', () => {
  it('is imported only in its home', () => {
    expect(straysOfDrivers(imports)).toEqual([])
  })

  it.each([
    ['pipeline/landing/landing.ts', 'kafkajs'],
    ['lib/runs/database.sqlite.ts', 'mysql2/promise'],
    ['lib/runs/database.sqlite.ts', 'libsql'],
    ['lib/dag/execute.ts', 'kysely'],
    ['lib/delta/parquet.ts', '@duckdb/node-api'],
    ['pipeline/realtime/realtime.ts', 'chdb'],
    ['lib/clickhouse/client.ts', 'chdb'],
    ['lib/storage/store.local.ts', '@aws-sdk/client-s3'],
    ['lib/notebook/plots.ts', 'plotly.js-basic-dist-min'],
    ['pipeline/batch/batch.ts', 'danfojs-node'],
  ])('strays when %s imports %s', (from, to) => {
    expect(straysOfDrivers(importing(from, `import x from '${to}'`))).toHaveLength(1)
  })
})

describe('an adapter', () => {
  it('is constructed only in pipeline/platform/compose.ts', () => {
    expect(straysOfAdapters(imports)).toEqual([])
  })

  it('strays when another file imports it for more than its types', () => {
    const to = '../../lib/eventlog/eventlog.kafka.ts'

    expect(
      straysOfAdapters(importing('pipeline/landing/landing.ts', `import { x } from '${to}'`)),
    ).toHaveLength(1)
    expect(
      straysOfAdapters(
        importing('pipeline/doctor.ts', "import { x } from '../lib/clickhouse-server/embedded.ts'"),
      ),
    ).toHaveLength(1)
    expect(
      straysOfAdapters(importing('pipeline/landing/landing.ts', `import type { X } from '${to}'`)),
    ).toEqual([])
    expect(
      straysOfAdapters(
        importing('pipeline/platform/compose.ts', `import { x } from '../../lib/eventlog/eventlog.kafka.ts'`),
      ),
    ).toEqual([])
  })
})

describe('a fixture', () => {
  it('is imported by tests alone', () => {
    expect(usesOfFixtures(imports)).toEqual([])
  })

  it.each([
    './raw-table.fixture.ts',
    './store.contract.ts',
    './table.test.ts',
  ])('strays when a table imports %s', (to) => {
    expect(usesOfFixtures(importing('lib/delta/table.ts', `import { x } from '${to}'`))).toHaveLength(1)
  })
})

describe('the environment', () => {
  it('is read only in pipeline/platform/config.ts, and where the embedded server begins', () => {
    expect(readersOfEnvironment(files)).toEqual([])
  })

  it.each([
    "process.env['LAKE_HOME']",
    'process.env.LAKE_HOME',
    "process['env']",
    'const { env } = process',
    "import { argv, env } from 'node:process'",
  ])('is read by %s', (text) => {
    expect(readersOfEnvironment([{ path: 'lib/delta/commit.ts', text }])).toHaveLength(1)
    expect(readersOfEnvironment([{ path: 'pipeline/platform/config.ts', text }])).toEqual([])
    expect(readersOfEnvironment([{ path: 'lib/clickhouse-server/server.main.ts', text }])).toEqual([])
  })

  it('is not read by a comment that speaks of process.env', () => {
    expect(readersOfEnvironment([{ path: 'lib/a.ts', text: '/** Never reads process.env. */' }])).toEqual([])
  })
})

describe('the library', () => {
  const config = files.find(({ path }) => path === 'pipeline/platform/config.ts')
  const variables = environmentNames(config?.text ?? '')
  const options = optionsOf(files.filter(({ path }) => path.startsWith('cli/')))

  it('knows no command, option, variable or table of the platform', () => {
    expect(wordsOfThePlatform(files, { variables, options })).toEqual([])
  })

  it.each([
    "'Run `lake batch` again.'",
    "'let the table grow by --merge-schema'",
    '/** Set by LAKE_HOME. */',
    "'gold/daily_active_users'",
  ])('is told of the platform by %s', (text) => {
    expect(wordsOfThePlatform([{ path: 'lib/delta/commit.ts', text }], { variables, options })).toHaveLength(
      1,
    )
    expect(wordsOfThePlatform([{ path: 'pipeline/batch/batch.ts', text }], { variables, options })).toEqual(
      [],
    )
  })

  it('may name an option of a program that it starts', () => {
    const text = "spawn('node', ['--import', loader])"

    expect(wordsOfThePlatform([{ path: 'lib/delta/commit.ts', text }], { variables, options })).toEqual([])
  })
})

describe('a hint', () => {
  it('is told in one place, above library and pipeline', () => {
    expect(hintsBelowTheCli(files)).toEqual([])
  })

  it('strays when the library or the pipeline tells one', () => {
    const text = "throw new LakeError('SQL_INVALID', 'no', { hint: 'Try this.' })"

    expect(hintsBelowTheCli([{ path: 'pipeline/batch/batch.ts', text }])).toHaveLength(1)
    expect(hintsBelowTheCli([{ path: 'cli/commands/batch.ts', text }])).toEqual([])
  })
})
