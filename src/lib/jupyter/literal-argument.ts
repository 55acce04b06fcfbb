/** What a cell gives to a function, read from its text: nothing is run. */
import type TypeScript from 'typescript'
import { LakeError } from '../base/errors.ts'
import type { JsonValue } from '../base/json.ts'
import type { Notebook, NotebookCell } from './ipynb.ts'
import { loadTypeScript } from './typescript.ts'

export interface LiteralArgument {
  /** As it stands in the cell, from `{` to `}`. */
  readonly text: string
  readonly value: JsonValue
}

/**
 * The object that a cell gives to its only call of a function: `defineMetric({ … })`.
 *
 * @throws LakeError `SOURCE_FAILED` naming notebook, cell and line, for no call or several, and for a value that is not
 * written out: what stands in another cell is not known here.
 */
export async function literalArgument(
  { path }: Notebook,
  { source, number }: NotebookCell,
  callee: string,
): Promise<LiteralArgument> {
  const ts = await loadTypeScript()
  const file = ts.createSourceFile('cell.ts', source, ts.ScriptTarget.ES2022, true)
  const wrong = (problem: string, node?: TypeScript.Node): LakeError => {
    const line =
      node === undefined ? '' : `, line ${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1}`
    return new LakeError('SOURCE_FAILED', `${path}: cell ${number}${line}: ${problem}`, {
      details: { path, fault: 'not-a-literal', callee },
    })
  }
  const calls = callsOf(ts, file, callee)
  const [call, second] = calls
  if (call === undefined) throw wrong(`expected a call of ${callee}`)
  if (second !== undefined) throw wrong(`expected one call of ${callee}, got ${calls.length}`, second)
  const [argument] = call.arguments
  if (argument === undefined || !ts.isObjectLiteralExpression(argument))
    throw wrong(`expected ${callee}({ … })`, call)
  const literalOf = (node: TypeScript.Expression): JsonValue => {
    if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node) || ts.isParenthesizedExpression(node))
      return literalOf(node.expression)
    if (ts.isStringLiteralLike(node)) return node.text
    if (ts.isNumericLiteral(node)) return Number(node.text)
    if (node.kind === ts.SyntaxKind.TrueKeyword) return true
    if (node.kind === ts.SyntaxKind.FalseKeyword) return false
    if (node.kind === ts.SyntaxKind.NullKeyword) return null
    if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken)
      return -Number(literalOf(node.operand))
    if (ts.isArrayLiteralExpression(node)) return node.elements.map(literalOf)
    if (ts.isObjectLiteralExpression(node)) {
      return Object.fromEntries(
        node.properties.map((property) => {
          if (!ts.isPropertyAssignment(property) || ts.isComputedPropertyName(property.name))
            throw wrong(`expected name: value, got ${property.getText(file)}`, property)
          return [property.name.text, literalOf(property.initializer)]
        }),
      )
    }
    throw wrong(`expected a value that is written out, got ${node.getText(file)}`, node)
  }
  return { text: argument.getText(file), value: literalOf(argument) }
}

function callsOf(
  ts: typeof TypeScript,
  file: TypeScript.SourceFile,
  callee: string,
): readonly TypeScript.CallExpression[] {
  const found: TypeScript.CallExpression[] = []
  const visit = (node: TypeScript.Node): void => {
    if (ts.isCallExpression(node) && node.expression.getText(file) === callee) found.push(node)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}
