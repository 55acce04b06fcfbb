/**
 * The code cells of a notebook as one TypeScript module, as the kernel would see them one after the other.
 *
 *     import { lake } from '…'      the imports of all cells
 *     {                             cell 1
 *     const days = 7
 *     {                             cell 2, which sees cell 1, and may declare its names again
 *     const days = 30
 *     }}
 *
 * Every character of a cell can be found again: `placeOf` leads from the module back to cell, line and column.
 */
import type TypeScript from 'typescript'
import type { Notebook } from './ipynb.ts'

export interface CellPlace {
  /** Among the code cells, from 1. */
  readonly cell: number
  /** From 1, in the cell. */
  readonly line: number
  readonly column: number
}

export interface CellProblem extends CellPlace {
  readonly message: string
}

export interface JoinedCells {
  readonly text: string
  /** `undefined` for what belongs to no cell. */
  placeOf(offset: number): CellPlace | undefined
  /** By name, each cell that declares or imports it, in their order. */
  readonly declaredIn: ReadonlyMap<string, readonly number[]>
  /** What stands before this offset is imported. */
  readonly importsEnd: number
}

export type JoinOutcome =
  | { readonly kind: 'joined'; readonly joined: JoinedCells }
  /** What is no TypeScript cannot be joined. */
  | { readonly kind: 'wrong'; readonly problems: readonly CellProblem[] }

interface Piece {
  readonly at: number
  readonly cell: number
  readonly source: string
  /** Where the piece begins in the source of its cell. */
  readonly from: number
  readonly length: number
}

export function joinCells(ts: typeof TypeScript, { cells }: Notebook): JoinOutcome {
  const parsed = cells.flatMap(({ number, source }) =>
    number === undefined ? [] : [{ number, source, ...parsedCell(ts, source) }],
  )
  const problems = parsed.flatMap(({ number, source, wrong }) =>
    wrong.map(({ start, message }) => ({ cell: number, ...lineAndColumn(source, start), message })),
  )
  if (problems.length > 0) return { kind: 'wrong', problems }
  const pieces: Piece[] = []
  const declaredIn = new Map<string, number[]>()
  const imported = new Map<string, string>()
  let text = 'export {}\n'
  const add = (piece: string, cell: number, source: string, from: number): void => {
    pieces.push({ at: text.length, cell, source, from, length: piece.length })
    text += piece
  }
  for (const { number, source, file } of parsed) {
    for (const statement of file.statements.filter(ts.isImportDeclaration)) {
      add(onlyNewNames(ts, statement, file, imported), number, source, statement.getStart(file))
      text += '\n'
    }
    for (const name of namesDeclared(ts, file)) {
      declaredIn.set(name, [...(declaredIn.get(name) ?? []), number])
    }
  }
  const importsEnd = text.length
  for (const { number, source, file } of parsed) {
    text += ';{\n'
    add(withoutImports(ts, file), number, source, 0)
    text += '\n'
  }
  text += '}'.repeat(parsed.length)
  const placeOf = (offset: number): CellPlace | undefined => {
    // The end of a piece belongs to it: there is where something is missing.
    const piece = pieces.find(({ at, length }) => offset >= at && offset <= at + length)
    return piece && { cell: piece.cell, ...lineAndColumn(piece.source, piece.from + offset - piece.at) }
  }
  return { kind: 'joined', joined: { text, placeOf, declaredIn, importsEnd } }
}

/** With the mark of a module behind it, in which `await` may stand outside of a function. */
function parsedCell(
  ts: typeof TypeScript,
  source: string,
): {
  readonly file: TypeScript.SourceFile
  readonly wrong: readonly { readonly start: number; readonly message: string }[]
} {
  const text = `${source}\nexport {}`
  const { diagnostics = [] } = ts.transpileModule(text, {
    reportDiagnostics: true,
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  })
  const wrong = diagnostics
    .filter(({ category }) => category === ts.DiagnosticCategory.Error)
    .map(({ start = 0, messageText }) => ({
      start: Math.min(start, source.length),
      message: ts.flattenDiagnosticMessageText(messageText, '\n'),
    }))
  return { file: ts.createSourceFile('cell.ts', text, ts.ScriptTarget.ES2022, true), wrong }
}

function lineAndColumn(source: string, offset: number): { readonly line: number; readonly column: number } {
  const before = source.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

const blank = (text: string): string => text.replaceAll(/[^\n]/g, ' ')

/** The import with blanks for the names that an earlier cell has imported from the same place. */
function onlyNewNames(
  ts: typeof TypeScript,
  statement: TypeScript.ImportDeclaration,
  file: TypeScript.SourceFile,
  imported: Map<string, string>,
): string {
  const from = statement.moduleSpecifier.getText(file)
  let text = statement.getText(file)
  const isNew = (name: string, what: string): boolean => {
    const meant = `${from} ${what}`
    if (imported.get(name) === meant) return false
    imported.set(name, meant)
    return true
  }
  const remove = (node: TypeScript.Node): void => {
    const at = node.getStart(file) - statement.getStart(file)
    const end = node.getEnd() - statement.getStart(file)
    const comma = /^\s*,/.exec(text.slice(end))?.[0].length ?? 0
    text = text.slice(0, at) + blank(text.slice(at, end + comma)) + text.slice(end + comma)
  }
  const { importClause } = statement
  if (importClause === undefined) return text
  const { name, namedBindings } = importClause
  const isDefaultKnown = name !== undefined && !isNew(name.text, 'default')
  if (namedBindings !== undefined && ts.isNamespaceImport(namedBindings)) {
    if (!isNew(namedBindings.name.text, '*')) return blank(text)
    return text
  }
  for (const element of namedBindings?.elements ?? []) {
    if (!isNew(element.name.text, (element.propertyName ?? element.name).text)) remove(element)
  }
  if (!isDefaultKnown) return text
  if (namedBindings === undefined) return blank(text)
  remove(name)
  return text
}

/** Blanks for the imports, so that all else stays where it is. */
function withoutImports(ts: typeof TypeScript, file: TypeScript.SourceFile): string {
  let text = file.text.slice(0, -'\nexport {}'.length)
  for (const statement of file.statements.filter(ts.isImportDeclaration)) {
    const [at, end] = [statement.getStart(file), statement.getEnd()]
    text = `${text.slice(0, at)};${blank(text.slice(at + 1, end))}${text.slice(end)}`
  }
  return text
}

/** Of a cell, at its top level. */
function namesDeclared(ts: typeof TypeScript, file: TypeScript.SourceFile): readonly string[] {
  const ofBinding = (name: TypeScript.BindingName): readonly string[] =>
    ts.isIdentifier(name)
      ? [name.text]
      : name.elements.flatMap((element) => (ts.isBindingElement(element) ? ofBinding(element.name) : []))
  return file.statements.flatMap((statement) => {
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.flatMap(({ name }) => ofBinding(name))
    }
    if (ts.isImportDeclaration(statement)) return namesImported(ts, statement)
    const isNamed =
      ts.isFunctionDeclaration(statement) ||
      ts.isClassDeclaration(statement) ||
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement) ||
      ts.isEnumDeclaration(statement)
    return isNamed && statement.name !== undefined ? [statement.name.text] : []
  })
}

function namesImported(
  ts: typeof TypeScript,
  { importClause }: TypeScript.ImportDeclaration,
): readonly string[] {
  const bindings = importClause?.namedBindings
  const names = importClause?.name === undefined ? [] : [importClause.name.text]
  if (bindings === undefined) return names
  if (ts.isNamespaceImport(bindings)) return [...names, bindings.name.text]
  return [...names, ...bindings.elements.map(({ name }) => name.text)]
}
