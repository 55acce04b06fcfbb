/**
 * The parameters of a notebook: `const name = value` in the cell that is tagged `parameters`. Their defaults give
 * them their types. Values given for a run are written into a cell of their own after it, which declares them again.
 */
import type TypeScript from 'typescript'
import { LakeError } from '../base/errors.ts'
import { cellsTagged, type Notebook, withCodeCell, withoutCell } from './ipynb.ts'
import { loadTypeScript } from './typescript.ts'

export const parametersTag = 'parameters'
export const injectedTag = 'injected-parameters'

export type ParameterValue = string | number | boolean

export interface Parameter {
  readonly name: string
  readonly type: 'string' | 'number' | 'boolean'
  readonly default: ParameterValue
  /** Of a parameter that is declared as one of several texts: `const source: 'web' | 'mobile' = 'web'`. */
  readonly choices?: readonly string[]
}

/**
 * @throws LakeError `SOURCE_FAILED` naming notebook, cell and line of what is no declaration of a parameter, and of a
 * second cell with the tag.
 */
export async function parametersOf(notebook: Notebook): Promise<readonly Parameter[]> {
  const [tagged, second] = cellsTagged(notebook, parametersTag)
  if (tagged === undefined) return []
  if (second !== undefined) {
    throw damaged(
      notebook,
      `cell ${second.cell.number ?? second.at + 1} is the second one tagged ${parametersTag}`,
    )
  }
  if (tagged.cell.kind !== 'code') {
    throw damaged(notebook, `the cell tagged ${parametersTag} is not a code cell`)
  }
  const ts = await loadTypeScript()
  const file = ts.createSourceFile('parameters.ts', tagged.cell.source, ts.ScriptTarget.ES2022, true)
  const found = file.statements.flatMap((statement) =>
    declaredIn(ts, statement, file, notebook, tagged.cell.number),
  )
  const names = found.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw damaged(notebook, `the parameter ${twice} is declared twice`)
  return found
}

function declaredIn(
  ts: typeof TypeScript,
  statement: TypeScript.Statement,
  file: TypeScript.SourceFile,
  notebook: Notebook,
  cell: number | undefined,
): readonly Parameter[] {
  const wrong = (node: TypeScript.Node): LakeError => {
    const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
    const [first = ''] = node.getText(file).split('\n')
    return damaged(
      notebook,
      `cell ${cell}, line ${line}: expected const NAME = a text, a number, true or false, got ${first}`,
    )
  }
  if (!ts.isVariableStatement(statement)) throw wrong(statement)
  return statement.declarationList.declarations.map((declaration) => {
    const { name, type, initializer } = declaration
    const value = initializer === undefined ? undefined : literal(ts, initializer)
    if (!ts.isIdentifier(name) || value === undefined) throw wrong(declaration)
    const choices = type === undefined ? undefined : choicesOf(ts, type)
    const kind = typeof value as Parameter['type']
    const isTyped = type === undefined || choices?.includes(String(value)) || type.getText(file) === kind
    if (!isTyped) throw wrong(declaration)
    return { name: name.text, type: kind, default: value, ...(choices && { choices }) }
  })
}

function literal(ts: typeof TypeScript, node: TypeScript.Expression): ParameterValue | undefined {
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isNumericLiteral(node)) return Number(node.text)
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true
  if (node.kind === ts.SyntaxKind.FalseKeyword) return false
  const isNegative =
    ts.isPrefixUnaryExpression(node) &&
    node.operator === ts.SyntaxKind.MinusToken &&
    ts.isNumericLiteral(node.operand)
  return isNegative ? -Number(node.operand.text) : undefined
}

/** `undefined` where the type is not a union of texts. */
function choicesOf(ts: typeof TypeScript, type: TypeScript.TypeNode): readonly string[] | undefined {
  if (!ts.isUnionTypeNode(type)) return undefined
  const texts = type.types.flatMap((each) =>
    ts.isLiteralTypeNode(each) && ts.isStringLiteral(each.literal) ? [each.literal.text] : [],
  )
  return texts.length === type.types.length ? texts : undefined
}

function damaged({ path }: Notebook, problem: string): LakeError {
  return new LakeError('SOURCE_FAILED', `${path}: ${problem}`, {
    details: { path, fault: 'notebook-parameters' },
  })
}

/**
 * The values of one run: those given as texts, and the defaults of the others.
 *
 * @throws LakeError `USAGE` naming the parameter, its type and its default, or the parameters that there are.
 */
export function parameterValues(
  parameters: readonly Parameter[],
  given: ReadonlyMap<string, string>,
): ReadonlyMap<string, ParameterValue> {
  for (const name of given.keys()) {
    if (parameters.some((each) => each.name === name)) continue
    const known = parameters.map((each) => each.name)
    throw new LakeError('USAGE', `parameter ${name}: the notebook has no such parameter`, {
      details: { fault: 'parameter-unknown', parameter: name, known },
    })
  }
  return new Map(
    parameters.map((parameter) => {
      const text = given.get(parameter.name)
      return [parameter.name, text === undefined ? parameter.default : parsed(text, parameter)]
    }),
  )
}

function parsed(text: string, { name, type, default: standard, choices }: Parameter): ParameterValue {
  const wrong = (expected: string): LakeError =>
    new LakeError(
      'USAGE',
      `parameter ${name}: expected ${expected}, got ${JSON.stringify(text)}; its default is ${JSON.stringify(standard)}`,
      { details: { fault: 'parameter-value', parameter: name } },
    )
  switch (type) {
    case 'number':
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw wrong('a number')
      return Number(text)
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw wrong('true or false')
      return text === 'true'
    case 'string':
      if (choices !== undefined && !choices.includes(text)) throw wrong(choices.join(' or '))
      return text
  }
}

/**
 * With the values in a cell after the tagged one, in place of those of an earlier run.
 *
 * @param values what `parameterValues` has judged.
 */
export function withParameters(
  notebook: Notebook,
  parameters: readonly Parameter[],
  values: ReadonlyMap<string, ParameterValue>,
): Notebook {
  const [earlier] = cellsTagged(notebook, injectedTag)
  const bare = earlier === undefined ? notebook : withoutCell(notebook, earlier.at)
  const [tagged] = cellsTagged(bare, parametersTag)
  if (tagged === undefined || values.size === 0) return bare
  const lines = parameters.flatMap(({ name, type, choices }) => {
    const value = values.get(name)
    const declared = choices?.map((choice) => JSON.stringify(choice)).join(' | ') ?? type
    return value === undefined ? [] : [`const ${name}: ${declared} = ${JSON.stringify(value)}`]
  })
  const source = ['// Parameters of this run', ...lines].join('\n')
  return withCodeCell(bare, tagged.at + 1, { id: injectedTag, source, tags: [injectedTag] })
}
