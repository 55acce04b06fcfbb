/**
 * A plan is data: for every node of a graph, whether it runs, and if not, why. Executing and explaining both read it.
 */
import { LakeError } from '../base/errors.ts'
import { descendantsOf, type Graph, type GraphNode } from './graph.ts'

/** Which nodes are wanted. `only`: these and nothing else; `from`: these and all that depends on them. */
export type Selection =
  | { readonly kind: 'all' }
  | { readonly kind: 'only'; readonly nodes: readonly string[] }
  | { readonly kind: 'from'; readonly nodes: readonly string[] }

export type PlannedNode = GraphNode &
  ({ readonly kind: 'run' } | { readonly kind: 'skip'; readonly reason: string })

export interface Plan {
  readonly dag: string
  /** In the order of the graph. */
  readonly nodes: readonly PlannedNode[]
}

/** @throws LakeError `USAGE` when a wanted node is none of the graph's, naming those there are. */
export function plan(graph: Graph<GraphNode>, selection: Selection = { kind: 'all' }): Plan {
  const selected = select(graph, selection)
  return {
    dag: graph.name,
    nodes: graph.nodes.map(({ name, dependsOn }) =>
      selected.has(name)
        ? { name, dependsOn, kind: 'run' }
        : { name, dependsOn, kind: 'skip', reason: 'not selected' },
    ),
  }
}

function select(graph: Graph<GraphNode>, selection: Selection): ReadonlySet<string> {
  const all = new Set(graph.nodes.map(({ name }) => name))
  if (selection.kind === 'all') return all
  const unknown = selection.nodes.find((name) => !all.has(name))
  if (unknown !== undefined) {
    throw new LakeError(
      'USAGE',
      `DAG ${graph.name}: there is no node ${unknown}; there are ${[...all].join(', ')}`,
    )
  }
  const descendants = selection.kind === 'from' ? descendantsOf(graph, selection.nodes) : []
  return new Set([...selection.nodes, ...descendants])
}
