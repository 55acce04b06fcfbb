/** What `npm run build` makes of the sources, file by file: JavaScript that finds its neighbours. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { isTest } from './house.ts'

const root = join(import.meta.dirname, '../..')
const config = ts.parseConfigFileTextToJson(
  'tsconfig.json',
  readFileSync(join(root, 'tsconfig.json'), 'utf8'),
)
const { options } = ts.convertCompilerOptionsFromJson(config.config.compilerOptions, root)

function builtText(path: string): string {
  const source = readFileSync(join(root, 'src', path), 'utf8')
  return ts.transpileModule(source, {
    fileName: join(root, 'src', path),
    compilerOptions: { ...options, noEmit: false, module: ts.ModuleKind.ESNext },
  }).outputText
}

describe('a module that is built', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !path.startsWith('console/web') && !isTest(path),
  )

  // TypeScript leaves the ending of an `import()` as it is in a function that has a `using` of its own.
  it('imports no source', () => {
    const strays = sources
      .filter((path) => readFileSync(join(root, 'src', path), 'utf8').includes('import('))
      .flatMap((path) =>
        [...builtText(path).matchAll(/(?:from|import)\s*\(?['"](\.[^'"]*\.ts)['"]/g)].map(
          ([, imported]) => `${path} imports ${imported}`,
        ),
      )

    expect(strays).toEqual([])
  })

  it('is written in JavaScript that Node 20 knows', () => {
    expect(builtText('cli/commands/up.ts')).toMatch(/from ["']\.\.\/arguments\.js["']/)
    expect(builtText('cli/commands/up.ts')).not.toMatch(/await using /)
  })
})
