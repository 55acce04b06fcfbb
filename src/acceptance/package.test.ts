/** What `npm ci` needs to be the same everywhere, and what the tests need to mean what they say. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const root = join(import.meta.dirname, '..', '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

const versions = z.record(z.string(), z.string()).default({})
const manifest = z
  .object({ engines: z.object({ node: z.string() }), dependencies: versions, devDependencies: versions })
  .parse(JSON.parse(read('package.json')))
const lockfile = z
  .object({
    packages: z.record(
      z.string(),
      z.object({
        resolved: z.string().optional(),
        integrity: z.string().optional(),
        optionalDependencies: versions,
      }),
    ),
  })
  .parse(JSON.parse(read('package-lock.json')))

const unpinned = (dependencies: Readonly<Record<string, string>>): string[] =>
  Object.entries(dependencies)
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${name}@${version}`)

const focused = (text: string): string[] =>
  [...text.matchAll(/\b(?:describe|it|test|suite|bench)(?:\.\w+)*\.(?:only|skip|todo|fails)\b/g)].map(
    ([found]) => found,
  )

/** Node's own resolution: in the folder of the package, or in one above it. */
function isLocked(packages: Readonly<Record<string, unknown>>, from: string, name: string): boolean {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (`${at === '' ? '' : `${at}/`}node_modules/${name}` in packages) return true
    if (at === '' || !at.includes('/node_modules/')) return `node_modules/${name}` in packages
  }
}

const absent = (
  packages: Readonly<Record<string, { optionalDependencies: Record<string, string> }>>,
): string[] =>
  Object.entries(packages).flatMap(([from, { optionalDependencies }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !isLocked(packages, from, name))
      .map((name) => `${name}, wanted by ${from}`),
  )

describe('package.json', () => {
  it('pins every dependency to one version', () => {
    expect([...unpinned(manifest.dependencies), ...unpinned(manifest.devDependencies)]).toEqual([])
    expect(unpinned({ a: '^1.2.3', b: '1.x', c: 'latest', d: '1.2.3', e: '1.5.5-r.5' })).toEqual([
      'a@^1.2.3',
      'b@1.x',
      'c@latest',
    ])
  })

  it('names the Node versions that it runs on, and .nvmrc one of them', () => {
    expect(manifest.engines.node).toBe('>=20.19')
    expect(read('.nvmrc').trim()).toMatch(/^v?2[0-9](\.|$)/)
  })
})

describe('package-lock.json', () => {
  it('names no registry, so that everybody installs from his own', () => {
    const resolved = Object.entries(lockfile.packages).flatMap(([path, entry]) =>
      entry.resolved === undefined ? [] : [path],
    )

    expect(resolved).toEqual([])
  })

  it('holds the checksum of every package, as far as a registry gives it', () => {
    const unchecked = Object.entries(lockfile.packages)
      .filter(([path, { integrity = '' }]) => path !== '' && !/^sha512-[\w+/]{86}==$/.test(integrity))
      .map(([path]) => path)

    // ClickHouse's engine for other machines, which the registry at hand does not have.
    expect(unchecked).toEqual([
      'node_modules/@chdb/lib-darwin-arm64',
      'node_modules/@chdb/lib-darwin-x64',
      'node_modules/@chdb/lib-linux-arm64-gnu',
    ])
  })

  it('holds the optional packages of every platform, or npm ci refuses it elsewhere', () => {
    expect(absent(lockfile.packages)).toEqual([])
    expect(
      absent({
        'node_modules/a': { optionalDependencies: { b: '1.0.0', c: '1.0.0', d: '1.0.0' } },
        'node_modules/a/node_modules/c': { optionalDependencies: {} },
        'node_modules/d': { optionalDependencies: {} },
      }),
    ).toEqual(['b, wanted by node_modules/a'])
  })
})

describe('tests', () => {
  const tests = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => join('src', path))
    .filter((path) => /\.(test|contract)\.tsx?$/.test(path))

  it('are all run: none is focused or left out', () => {
    const found = tests
      .filter((path) => !path.endsWith('package.test.ts'))
      .flatMap((path) => focused(read(path)).map((what) => `${path}: ${what}`))

    expect(found).toEqual([])
    expect(focused("it.only('x')\ndescribe.skip('y')\nit.each([]).only\nit('only')\nit.runIf(x)")).toEqual([
      'it.only',
      'describe.skip',
    ])
  })
})
