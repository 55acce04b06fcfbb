/** What is wrong with notebooks, told without running them. */
import { countOf } from '../base/count-of.ts'
import type { Notebook } from './ipynb.ts'
import type { CellProblem } from './joined-cells.ts'
import { type CheckSettings, typeCheck } from './type-check.ts'

export type { CellProblem } from './joined-cells.ts'
export type { CheckSettings } from './type-check.ts'

/** @returns for each notebook its problems, in the order of its cells. */
export async function checkNotebooks(
  notebooks: readonly Notebook[],
  settings: CheckSettings,
): Promise<readonly (readonly CellProblem[])[]> {
  const typed = await typeCheck(notebooks, settings)
  return notebooks.map((notebook, at) =>
    [...(typed[at] ?? []), ...outOfOrder(notebook), ...keptOutputs(notebook)].toSorted(
      (a, b) => a.cell - b.cell || a.line - b.line || a.column - b.column,
    ),
  )
}

/** A cell that was run before one above it may show what it would not show when all are run from top to bottom. */
function outOfOrder({ cells }: Notebook): readonly CellProblem[] {
  const found: CellProblem[] = []
  let last = 0
  for (const { number, executionCount } of cells) {
    if (number === undefined || executionCount === undefined) continue
    if (executionCount < last) {
      const message = `It ran as [${executionCount}], before a cell above it, which ran as [${last}].`
      found.push({ cell: number, line: 1, column: 1, message })
    }
    last = Math.max(last, executionCount)
  }
  return found
}

function keptOutputs({ cells }: Notebook): readonly CellProblem[] {
  return cells.flatMap(({ number, outputs, executionCount }) => {
    if (number === undefined || (outputs === 0 && executionCount === undefined)) return []
    const kept = outputs > 0 ? countOf(outputs, 'output') : `the count of its run, [${executionCount}]`
    return [{ cell: number, line: 1, column: 1, message: `It holds ${kept}.` }]
  })
}
