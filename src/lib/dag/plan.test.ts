import { describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { explain } from './explain.ts'
import { createGraph } from './graph.ts'
import { plan, type Selection } from './plan.ts'

const graph = createGraph('batch', [
  { name: 'silver', dependsOn: [] },
  { name: 'dau', dependsOn: ['silver'] },
  { name: 'pages', dependsOn: ['silver'] },
  { name: 'load', dependsOn: ['dau', 'pages'] },
])
const running = (selection?: Selection): string[] =>
  plan(graph, selection)
    .nodes.filter(({ kind }) => kind === 'run')
    .map(({ name }) => name)

describe('plan(graph, selection)', () => {
  it('runs every node when nothing is selected', () => {
    expect(running()).toEqual(['silver', 'dau', 'pages', 'load'])
  })

  it('runs the selected nodes alone', () => {
    expect(running({ kind: 'only', nodes: ['pages'] })).toEqual(['pages'])
  })

  it('runs the selected nodes and all that depends on them', () => {
    expect(running({ kind: 'from', nodes: ['pages'] })).toEqual(['pages', 'load'])
  })

  it('says why a node is skipped', () => {
    expect(plan(graph, { kind: 'only', nodes: ['load'] }).nodes[0]).toEqual({
      name: 'silver',
      dependsOn: [],
      kind: 'skip',
      reason: 'not selected',
    })
  })

  it('refuses a node that is not there, and names those that are', () => {
    expect(() => plan(graph, { kind: 'only', nodes: ['bronze'] })).toThrow(
      expect.toSatisfy(
        (error) =>
          isLakeError(error, 'USAGE') &&
          error.message.endsWith('no node bronze; there are silver, dau, pages, load'),
      ),
    )
  })
})

describe('explain(plan)', () => {
  it('gives a line for each node, with what it waits for or why it is skipped', () => {
    expect(explain(plan(graph, { kind: 'from', nodes: ['pages'] }))).toEqual([
      'batch: 2 of 4 nodes run',
      '  silver  skip: not selected',
      '  dau     skip: not selected',
      '  pages   run',
      '  load    run after pages',
    ])
  })
})
