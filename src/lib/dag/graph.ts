/**
 * A graph of named nodes without cycles. Dependencies come first; otherwise nodes keep the order of their declaration.
 */
import { LakeError } from '../base/errors.ts'

export interface GraphNode {
  readonly name: string
  /** Names of the nodes that must have ended well before this one may start. */
  readonly dependsOn: readonly string[]
}

export interface Graph<Node extends GraphNode> {
  readonly name: string
  /** Every node after all that it depends on. */
  readonly nodes: readonly Node[]
}

/**
 * @throws LakeError `BUG` that names a doubled node, a dependency that is no node, or prints the cycle:
 * a graph is written by programmers.
 */
export function createGraph<Node extends GraphNode>(name: string, declared: readonly Node[]): Graph<Node> {
  const byName = new Map<string, Node>()
  for (const node of declared) {
    if (byName.has(node.name)) throw invalid(name, `expected one node ${node.name}, got two`)
    byName.set(node.name, node)
  }

  const ordered = new Set<Node>()
  function visit(node: Node, path: readonly string[]): void {
    if (ordered.has(node)) return
    const at = path.indexOf(node.name)
    if (at >= 0) throw invalid(name, `expected no cycle, got ${[...path.slice(at), node.name].join(' → ')}`)
    for (const dependency of node.dependsOn) {
      const found = byName.get(dependency)
      if (found === undefined) throw invalid(name, `${node.name} depends on ${dependency}, which is no node`)
      visit(found, [...path, node.name])
    }
    ordered.add(node)
  }
  for (const node of declared) visit(node, [])
  return { name, nodes: [...ordered] }
}

/** The names of all nodes that depend on one of `roots`, directly or not; the roots are not among them. */
export function descendantsOf({ nodes }: Graph<GraphNode>, roots: Iterable<string>): ReadonlySet<string> {
  const reached = new Set(roots)
  const descendants = new Set<string>()
  for (const { name, dependsOn } of nodes) {
    if (!dependsOn.some((dependency) => reached.has(dependency))) continue
    reached.add(name)
    descendants.add(name)
  }
  return descendants
}

function invalid(graph: string, message: string): LakeError {
  return new LakeError('BUG', `DAG ${graph}: ${message}`, { details: { graph } })
}
