/**
 * The rules of the house as functions over source files: who may import whom, where each
 * driver lives, who reads the environment. Each returns the lines that break it, ready to be shown.
 */
import { posix } from 'node:path'

export interface SourceFile {
  /** From `src`, with `/`: `lib/delta/commit.ts`. */
  readonly path: string
  readonly text: string
}

export interface Import {
  readonly from: string
  /** A path from `src`, or the name of a package without its subpath. */
  readonly to: string
  readonly isTypeOnly: boolean
}

const siblings = [
  'storage',
  'duckdb',
  'eventlog',
  'clickhouse',
  'stream',
  'dag',
  'schedule',
  'runs',
  'quality',
  'alerts',
  'lineage',
  'spark-connect',
]

/** Modules of `src/lib`, each with the others that it may import. */
const lowerModules: Readonly<Record<string, readonly string[]>> = {
  base: [],
  ...Object.fromEntries(siblings.map((name) => [name, ['base']])),
  sqlite: ['base'],
  eventlog: ['base', 'sqlite'],
  runs: ['base', 'sqlite', 'dag'],
  jupyter: ['base', 'sqlite'],
  quality: ['base', 'duckdb'],
  'clickhouse-server': ['base', 'clickhouse'],
  rowfile: ['base', 'duckdb'],
  delta: ['base', 'storage', 'duckdb', 'rowfile'],
  compute: ['base', ...siblings, 'delta'],
  notebook: ['base', ...siblings, 'delta', 'compute'],
}

/** Rooms of `src`, each with the others that it may import. */
const lowerRooms: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  pipeline: ['lib'],
  hints: ['lib'],
  notebook: ['lib', 'pipeline', 'hints'],
  console: ['lib', 'pipeline'],
  cli: ['lib', 'pipeline', 'hints', 'notebook', 'console'],
}

/** Drivers, and the compiler that only some commands load, each with the files that may import it. A scope stands for all its packages. */
const homes: Readonly<Record<string, RegExp>> = {
  kafkajs: /^lib\/eventlog\/.*\bkafka\b/,
  libsql: /^lib\/sqlite\//,
  mysql2: /^lib\/runs\/.*\.mysql\.ts$/,
  kysely: /^lib\/runs\//,
  'node-cron': /^lib\/schedule\//,
  '@duckdb/node-api': /^lib\/duckdb\//,
  chdb: /^lib\/clickhouse-server\//,
  '@clickhouse/client': /^lib\/clickhouse\//,
  '@aws-sdk': /^lib\/storage\/.*\.s3\.ts$/,
  '@grpc': /^lib\/spark-connect\//,
  'prom-client': /^pipeline\/monitoring\//,
  'lossless-json': /^lib\/base\/json\.ts$/,
  commander: /^cli\//,
  listr2: /^cli\//,
  fastify: /^console\//,
  '@fastify': /^console\//,
  '@grafana': /^console\//,
  react: /^console\//,
  'react-dom': /^console\//,
  '@tanstack': /^console\//,
  vite: /^console\//,
  'plotly.js-basic-dist-min': /^console\//,
  typescript: /^lib\/jupyter\//,
  'danfojs-node': /^nowhere$/,
  tslab: /^nowhere$/,
}

/** What only the composition chooses: a vendor's adapter, and the embedded server. */
const adapter = /\.(kafka|sqlite|mysql|s3|local|spark)\.ts$|^lib\/clickhouse-server\//

export function isTest(path: string): boolean {
  return /\.(test|contract|fixture)\.tsx?$/.test(path) || path.startsWith('acceptance/')
}

/** What is made for tests is nothing that the product stands on. */
export function usesOfFixtures(imports: readonly Import[]): readonly string[] {
  return imports
    .filter(({ to }) => isTest(to))
    .map(({ from, to }) => `${from} imports ${to}: it is there for tests`)
}

/** Static and dynamic imports, re-exports too. Comments do not count. */
export function importsOf({ path, text }: SourceFile): readonly Import[] {
  const code = withoutComments(text)
  const statements = [
    ...code.matchAll(/^\s*(?:import|export)\b(?<what>[^'"`;]*?)\bfrom\s*['"](?<to>[^'"]+)['"]/gm),
    ...code.matchAll(/^\s*import\s*['"](?<to>[^'"]+)['"]/gm),
    ...code.matchAll(/\b(?:import|require|createRequire\([^)]*\))\(\s*['"](?<to>[^'"]+)['"]/g),
  ]
  return statements.map(({ groups }) => ({
    from: path,
    to: resolveSpecifier(path, groups?.['to'] ?? ''),
    isTypeOnly: /^\s*type\b/.test(groups?.['what'] ?? ''),
  }))
}

function resolveSpecifier(from: string, to: string): string {
  // From beside `src` a path leads back into it.
  if (to.startsWith('.')) return posix.join(posix.dirname(from), to).replace(/^\.\.\/src\//, '')
  const depth = to.startsWith('@') ? 2 : 1
  return to.split('/').slice(0, depth).join('/')
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

const show = ({ from, to }: Import, rule: string): string => `${from} imports ${to}: ${rule}`

const roomOf = (path: string): string => path.split('/')[0] ?? ''
const moduleOf = (path: string): string | undefined => /^lib\/(?<name>[^/]+)\//.exec(path)?.groups?.['name']

/** Rooms know only what lies below them: `lib` knows nothing of the rest. */
export function brokenRooms(imports: readonly Import[]): readonly string[] {
  return imports
    .filter(({ from, to }) => {
      const [here, there] = [roomOf(from), roomOf(to)]
      if (!/\.tsx?$/.test(to) && !to.startsWith('..')) return false
      return here !== there && !lowerRooms[here]?.includes(there)
    })
    .map((found) =>
      show(found, `${roomOf(found.from)} may import ${lowerRooms[roomOf(found.from)] ?? 'nothing'}`),
    )
}

/** Modules of `src/lib` know only what lies below them; a module that the table lacks is a finding. */
export function brokenModules(imports: readonly Import[]): readonly string[] {
  return imports
    .filter(({ from, to }) => {
      const [here, there] = [moduleOf(from), moduleOf(to)]
      return (
        here !== undefined && there !== undefined && here !== there && !lowerModules[here]?.includes(there)
      )
    })
    .map((found) => show(found, `lib/${moduleOf(found.from)} may not import lib/${moduleOf(found.to)}`))
}

/** A driver is imported by its home alone, so that it can be replaced in one place. */
export function straysOfDrivers(imports: readonly Import[]): readonly string[] {
  return imports
    .filter(({ from, to }) => {
      const home = homes[to] ?? homes[to.split('/')[0] ?? '']
      return home !== undefined && !home.test(from)
    })
    .map((found) => show(found, 'a driver is imported only in its home'))
}

/** Only `pipeline/platform/compose.ts` chooses adapters; everybody else sees the port. */
export function straysOfAdapters(imports: readonly Import[]): readonly string[] {
  return imports
    .filter(({ from, to, isTypeOnly }) => {
      if (isTypeOnly || !to.startsWith('lib/') || !adapter.test(to)) return false
      return from !== 'pipeline/platform/compose.ts' && moduleOf(from) !== moduleOf(to)
    })
    .map((found) => show(found, 'adapters are constructed in pipeline/platform/compose.ts'))
}

/** The rooms of the Delta library from the lowest up: each may import itself and those before it. */
const deltaRooms = ['schema', 'protocol', 'log', 'snapshot', 'rows', 'table', 'change', 'maintain', 'index']

/** `lib/delta/log/commit.ts` is in the room `log`, `lib/delta/table.ts` a room of its own. */
const deltaRoomOf = (path: string): string | undefined =>
  /^lib\/delta\/(?<room>[^/.]+)/.exec(path)?.groups?.['room']

/** Inside of the Delta library nothing knows of what lies above it. */
export function brokenDeltaRooms(imports: readonly Import[]): readonly string[] {
  const floorOf = (path: string): number => deltaRooms.indexOf(deltaRoomOf(path) ?? '')
  return imports
    .filter(({ from, to }) => deltaRoomOf(from) !== undefined && deltaRoomOf(to) !== undefined)
    .filter(({ from, to }) => floorOf(from) === -1 || floorOf(to) === -1 || floorOf(to) > floorOf(from))
    .map((found) => show(found, `lib/delta goes ${deltaRooms.join(' ← ')}`))
}

/** The Delta library has one door; tests may use its fixtures too. */
export function pastDeltaDoor(imports: readonly Import[]): readonly string[] {
  return imports
    .filter(({ from, to }) => to.startsWith('lib/delta/') && !from.startsWith('lib/delta/'))
    .filter(({ to }) => to !== 'lib/delta/index.ts' && !to.startsWith('lib/delta/testing/'))
    .map((found) => show(found, 'lib/delta is entered by its index.ts'))
}

/** The environment is read in one place, so that it is documented in one place. */
export function readersOfEnvironment(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter(({ path }) => path !== 'pipeline/platform/config.ts' && !/(^|\/)server\.main\.ts$/.test(path))
    .filter(({ text }) =>
      /\bprocess\s*(\.|\?\.|\[\s*['"])env\b|\{[^}]*\benv\b[^}]*\}\s*(=\s*process\b|from\s*['"](node:)?process['"])/.test(
        withoutComments(text),
      ),
    )
    .map(({ path }) => `${path} reads process.env: only pipeline/platform/config.ts may`)
}

/** The names of environment variables that the platform reads, from the text of its `config.ts`. */
export function environmentNames(configText: string): readonly string[] {
  return [...configText.matchAll(/^ {2}([A-Z][A-Z\d]*_[A-Z\d_]*): variable\(/gm)].flatMap(
    ([, name]) => name ?? [],
  )
}

/** The options of the command line: `--merge-schema`. */
export function optionsOf(files: readonly SourceFile[]): readonly string[] {
  const declared = /(?:\.option|new Option)\(\s*'(?:-\w, )?(--[a-z-]+)/g
  return [
    ...new Set(files.flatMap(({ text }) => [...text.matchAll(declared)].flatMap(([, name]) => name ?? []))),
  ]
}

/** `src/lib` can be published as it stands: nothing in it, comments included, speaks of this platform. */
export function wordsOfThePlatform(
  files: readonly SourceFile[],
  { variables, options }: { readonly variables: readonly string[]; readonly options: readonly string[] },
): readonly string[] {
  const words = new RegExp(
    [
      '`lake [a-z]+',
      `(?<![\\w-])(?:${options.join('|')})(?![\\w=-])`,
      `\\b(?:${variables.join('|')})\\b`,
      '\\b(?:bronze|silver|gold)[./][a-z_]+|\\b(?:event_type|user_id|user-events)\\b',
    ].join('|'),
    'g',
  )
  return files
    .filter(({ path }) => path.startsWith('lib/'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(words)].map(
        ([word]) => `${path} says ${word}: the library knows nothing of the platform`,
      ),
    )
}

/** What to do about a failure is said where commands and settings are known. */
export function hintsBelowTheCli(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter(({ path }) => /^(lib|pipeline)\//.test(path))
    .filter(({ text }) => /\bhint: ['"`]|\bfix: ['"`]/.test(withoutComments(text)))
    .map(({ path }) => `${path} holds a hint: it gives facts in \`details\`, and src/hints/hints.ts the hint`)
}

/** The names in `details.fault` that the files give, each with the code of its error where it stands beside it. */
export function faultsOf(files: readonly SourceFile[]): readonly string[] {
  const named = files
    .filter(({ path }) => !/^(cli|hints)\//.test(path))
    .flatMap(({ text }) => [...text.matchAll(/\bfault:[^,}]*?'[a-z-]+'(?: : '[a-z-]+')?/g)])
    .flatMap(([text]) => [...text.matchAll(/'([a-z-]+)'/g)].flatMap(([, name]) => name ?? []))
  return [...new Set(named)].sort()
}
