/** A plan as text: one line for each node, in the order of the plan. */
import { assertNever } from '../base/errors.ts'
import type { Plan, PlannedNode } from './plan.ts'

/** The lines, without line ends; a node that may run beside its siblings names only what it waits for. */
export function explain({ dag, nodes }: Plan): readonly string[] {
  const width = Math.max(0, ...nodes.map(({ name }) => name.length))
  const running = nodes.filter(({ kind }) => kind === 'run').length
  return [
    `${dag}: ${running} of ${nodes.length} nodes run`,
    ...nodes.map((node) => `  ${node.name.padEnd(width)}  ${explainNode(node, nodes)}`),
  ]
}

function explainNode(node: PlannedNode, nodes: readonly PlannedNode[]): string {
  switch (node.kind) {
    case 'skip':
      return `skip: ${node.reason}`
    case 'run': {
      const waitsFor = node.dependsOn.filter((name) =>
        nodes.some((other) => other.name === name && other.kind === 'run'),
      )
      return waitsFor.length === 0 ? 'run' : `run after ${waitsFor.join(', ')}`
    }
    default:
      return assertNever(node, 'planned node')
  }
}
