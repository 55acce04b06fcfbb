/** What README, CONTRIBUTING, docs and comments name is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const under = (folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) =>
    `${folder}/${path}`.replaceAll('\\', '/'),
  )

const guides = [
  'README.md',
  'CONTRIBUTING.md',
  'deploy/README.md',
  'deploy/kubernetes/README.md',
  ...under('docs'),
].filter((path) => path.endsWith('.md'))
const sources = ['src', 'scripts', 'bench', 'examples']
  .flatMap(under)
  .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))

/** Made by `deploy/make-secrets.sh`, and never committed. */
const secrets = 'deploy/secrets'

/** Paths from the root, in a text. */
function pathsIn(text: string): readonly string[] {
  const found = text.matchAll(
    /(?<![\w/.])(?:src|scripts|docs|examples|bench|notebooks|dashboards|deploy)\/[\w./-]*[\w/]/g,
  )
  return [...found].map(([path]) => path).filter((path) => !path.startsWith(secrets))
}

describe('the guides', () => {
  it.each(guides)('%s names files and folders that are there', (guide) => {
    expect(pathsIn(read(guide)).filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  it.each(guides)('%s links to files that are there', (guide) => {
    const links = [...read(guide).matchAll(/\]\((?<to>[^)#:]+)(?:#[^)]*)?\)/g)].map(
      ({ groups }) => groups?.['to'] ?? '',
    )

    expect(links.filter((to) => !existsSync(join(root, dirname(guide), to)))).toEqual([])
  })

  it.each(guides)('%s names scripts that package.json has', (guide) => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(read('package.json')))
    const named = [...read(guide).matchAll(/npm run (?:-s )?(?<name>[\w:]+)/g)].map(
      ({ groups }) => groups?.['name'] ?? '',
    )

    expect(named.filter((name) => scripts[name] === undefined)).toEqual([])
  })
})

describe('the comments', () => {
  it('name files that are there', () => {
    const known = new Set([...sources, ...under('docs')].map((path) => basename(path)))
    const named = sources.flatMap((path) =>
      commentsOf(read(path)).flatMap((comment) =>
        [...comment.matchAll(/`(?<file>[\w./-]+\.(?:tsx?|md))`/g)].map(({ groups }) => ({
          path,
          file: groups?.['file'] ?? '',
        })),
      ),
    )

    expect(named.filter(({ file }) => !known.has(basename(file)) && !existsSync(join(root, file)))).toEqual(
      [],
    )
  })
})

function commentsOf(text: string): readonly string[] {
  return [...text.matchAll(/\/\*\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm)].map(([comment]) => comment)
}
