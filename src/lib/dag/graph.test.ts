import { describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { createGraph, descendantsOf } from './graph.ts'

const node = (name: string, ...dependsOn: string[]): { name: string; dependsOn: string[] } => ({
  name,
  dependsOn,
})
const namesOf = (...nodes: ReturnType<typeof node>[]): string[] =>
  createGraph('g', nodes).nodes.map(({ name }) => name)

describe('createGraph(name, nodes)', () => {
  it('keeps the declared order where it can', () => {
    expect(namesOf(node('a'), node('c', 'a'), node('b', 'a'))).toEqual(['a', 'c', 'b'])
  })

  it('puts a dependency before its dependants, wherever it was declared', () => {
    expect(namesOf(node('c', 'b'), node('b', 'a'), node('a'))).toEqual(['a', 'b', 'c'])
  })

  it.each([
    ['a cycle', [node('x'), node('a', 'x', 'c'), node('b', 'a'), node('c', 'b')], 'a → c → b → a'],
    ['a node that depends on itself', [node('a', 'a')], 'a → a'],
    ['an unknown dependency', [node('a', 'gold')], 'a depends on gold, which is no node'],
    ['a doubled name', [node('a'), node('a')], 'one node a, got two'],
  ])('refuses %s and prints it', (_, nodes, text) => {
    expect(() => createGraph('g', nodes)).toThrow(
      expect.toSatisfy((error) => isLakeError(error, 'BUG') && error.message.includes(text)),
    )
  })
})

describe('descendantsOf(graph, roots)', () => {
  it('names what depends on the roots, directly or not', () => {
    const graph = createGraph('g', [
      node('a'),
      node('b', 'a'),
      node('c', 'b'),
      node('d'),
      node('e', 'd', 'b'),
    ])

    expect([...descendantsOf(graph, ['a'])]).toEqual(['b', 'c', 'e'])
    expect([...descendantsOf(graph, ['c', 'd'])]).toEqual(['e'])
  })
})
