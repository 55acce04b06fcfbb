/**
 * Notebooks judged by the compiler, without a kernel.
 *
 * The rules are those of the kernel, and stricter in one thing: a value that may be null or undefined is taken for one.
 */
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type TypeScript from 'typescript'
import type { Notebook } from './ipynb.ts'
import { type CellProblem, type JoinedCells, joinCells } from './joined-cells.ts'
import { loadTypeScript } from './typescript.ts'

export interface CheckSettings {
  /** Its `node_modules` has the types of Node. */
  readonly projectFolder: string
  /** What a cell may import by name, each with the source that it is. */
  readonly modules: Readonly<Record<string, string>>
  /** What else a cell may import: typed where it is installed in the folder, and of any type where it is not. */
  readonly packages: { readonly folder: string; readonly names: readonly string[] }
  /** Packages that the sources of `modules` use, and whose types lead into no cell: reading them takes half the time. */
  readonly unseen: readonly string[]
}

/** @returns for each notebook its problems, in the order of its cells. */
export async function typeCheck(
  notebooks: readonly Notebook[],
  settings: CheckSettings,
): Promise<readonly (readonly CellProblem[])[]> {
  const ts = await loadTypeScript()
  const outcomes = notebooks.map((notebook) => ({ notebook, ...joinCells(ts, notebook) }))
  const modules = new Map(
    outcomes.flatMap((each) =>
      each.kind === 'joined' ? [[moduleOf(each.notebook), each.joined.text] as const] : [],
    ),
  )
  const program = modules.size === 0 ? undefined : programOf(ts, modules, settings)
  return outcomes.map((each) => {
    if (each.kind === 'wrong') return each.problems
    const file = program?.getSourceFile(moduleOf(each.notebook))
    if (program === undefined || file === undefined) return []
    return [
      ...diagnosticProblems(ts, program, file, each.joined),
      ...usedBeforeImport(ts, program.getTypeChecker(), file, each.joined),
    ].toSorted(byPlace)
  })
}

const byPlace = (a: CellProblem, b: CellProblem): number =>
  a.cell - b.cell || a.line - b.line || a.column - b.column

/** Beside the notebook, so that its own imports lead where they do in the kernel. */
const moduleOf = ({ path }: Notebook): string => join(dirname(path), `${basename(path)}.cells.ts`)

function programOf(
  ts: typeof TypeScript,
  modules: ReadonlyMap<string, string>,
  settings: CheckSettings,
): TypeScript.Program {
  const { projectFolder, modules: named, packages } = settings
  const installed = packages.names.filter((name) => existsSync(join(packages.folder, name)))
  const unknown = packages.names.filter((name) => !installed.includes(name))
  const untyped = join(projectFolder, 'untyped-packages.d.ts')
  const sources = new Map(modules).set(untyped, unknown.map((name) => `declare module '${name}'`).join('\n'))
  const options: TypeScript.CompilerOptions = {
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    // What the kernel's compiler knows, and what the platform's sources need to be read.
    lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    esModuleInterop: true,
    resolveJsonModule: true,
    experimentalDecorators: true,
    strictNullChecks: true,
    strict: false,
    noImplicitAny: false,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [join(projectFolder, 'node_modules', '@types')],
    paths: {
      ...Object.fromEntries(Object.entries(named).map(([name, source]) => [name, [source]])),
      ...Object.fromEntries(installed.map((name) => [name, [join(packages.folder, name)]])),
    },
  }
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (path) => sources.has(path) || fileExists(path)
  host.readFile = (path) => sources.get(path) ?? readFile(path)
  host.getSourceFile = (path, language, ...more) => {
    const text = sources.get(path)
    if (text === undefined) return getSourceFile(path, language, ...more)
    return ts.createSourceFile(path, text, language, true)
  }
  hideTypes(ts, host, options, settings)
  return ts.createProgram([...sources.keys()], options, host)
}

/** Leaves the types of unseen packages out, and reads the types of Node from one place alone. */
function hideTypes(
  ts: typeof TypeScript,
  host: TypeScript.CompilerHost,
  options: TypeScript.CompilerOptions,
  { unseen, projectFolder }: CheckSettings,
): void {
  const cache = ts.createModuleResolutionCache(projectFolder, (path) => path, options)
  const isUnseen = (name: string): boolean =>
    unseen.some((each) => name === each || name.startsWith(`${each}/`))
  host.resolveModuleNameLiterals = (literals, file, redirected, _options, containing) =>
    literals.map((literal) => {
      if (isUnseen(literal.text)) return { resolvedModule: undefined }
      const mode = ts.getModeForUsageLocation(containing, literal, options)
      return ts.resolveModuleName(literal.text, file, options, host, cache, redirected, mode)
    })
  const inProject = join(projectFolder, 'project.ts')
  host.resolveTypeReferenceDirectiveReferences = (references, file, redirected) =>
    references.map((reference) => {
      const name = typeof reference === 'string' ? reference : reference.fileName
      return ts.resolveTypeReferenceDirective(
        name,
        name === 'node' ? inProject : file,
        options,
        host,
        redirected,
      )
    })
}

/** A later cell may declare a `var` again, with another type: the kernel takes it for a new one. */
const declaredAgain = [2403, 2481]
const nameUnknown = [2304, 2503, 2552, 18_004]

function diagnosticProblems(
  ts: typeof TypeScript,
  program: TypeScript.Program,
  file: TypeScript.SourceFile,
  joined: JoinedCells,
): readonly CellProblem[] {
  const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
  return found.flatMap(({ code, start = 0, length = 0, messageText }) => {
    const place = joined.placeOf(start)
    if (place === undefined || declaredAgain.includes(code)) return []
    const message = ts.flattenDiagnosticMessageText(messageText, '\n')
    const name = file.text.slice(start, start + length)
    return [{ ...place, message: (nameUnknown.includes(code) && hiddenState(name, joined)) || message }]
  })
}

/** `undefined` for a name that no later cell declares. */
function hiddenState(name: string, { declaredIn }: JoinedCells): string | undefined {
  const [cell] = declaredIn.get(name) ?? []
  return cell === undefined ? undefined : `'${name}' is declared in cell ${cell}, which comes later.`
}

/** The joined module has the imports of all cells before all cells. */
function usedBeforeImport(
  ts: typeof TypeScript,
  checker: TypeScript.TypeChecker,
  file: TypeScript.SourceFile,
  joined: JoinedCells,
): readonly CellProblem[] {
  const found: CellProblem[] = []
  const visit = (node: TypeScript.Node): void => {
    if (ts.isIdentifier(node)) {
      const place = joined.placeOf(node.getStart(file))
      const [cell = 0] = joined.declaredIn.get(node.text) ?? []
      if (place !== undefined && place.cell < cell && isImported(ts, checker, node, joined)) {
        found.push({ ...place, message: hiddenState(node.text, joined) ?? '' })
      }
    }
    ts.forEachChild(node, visit)
  }
  for (const statement of file.statements) {
    if (statement.getStart(file) >= joined.importsEnd) visit(statement)
  }
  return found
}

function isImported(
  ts: typeof TypeScript,
  checker: TypeScript.TypeChecker,
  node: TypeScript.Identifier,
  { importsEnd }: JoinedCells,
): boolean {
  const symbol = ts.isShorthandPropertyAssignment(node.parent)
    ? checker.getShorthandAssignmentValueSymbol(node.parent)
    : checker.getSymbolAtLocation(node)
  return (
    symbol?.declarations?.some(
      (each) => each.getEnd() <= importsEnd && each.getSourceFile() === node.getSourceFile(),
    ) ?? false
  )
}
