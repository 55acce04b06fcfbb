import { describe, expect, it } from 'vitest'
import { platformMetrics, stageMetrics } from '../../pipeline/monitoring/stage-metrics.ts'
import { streamPanels, streamsDashboard } from './streams.ts'

const declared = new Map<string, readonly string[]>([
  ...[...stageMetrics, ...platformMetrics].map(({ name, labels }) => [name, labels] as const),
  ['process_resident_memory_bytes', ['instance']],
])

describe('streamsDashboard()', () => {
  it('has each panel with its query', () => {
    expect(JSON.parse(streamsDashboard())).toMatchObject({
      title: 'Lakehouse Streams',
      panels: streamPanels.map(({ title, expression }) => ({ title, targets: [{ expr: expression }] })),
    })
  })

  it.each(
    streamPanels,
  )('$title asks for metrics that there are, and names lines by their labels', (panel) => {
    const asked = [...panel.expression.matchAll(/\b(?:lakeshore|process)_\w+/g)].map(([name]) => name)
    const kept = /by \((?<labels>[^)]*)\)/.exec(panel.expression)?.groups?.['labels']?.split(', ')
    const shown = [...panel.legend.matchAll(/\{\{(?<label>\w+)\}\}/g)].map(({ groups }) => groups?.['label'])

    expect(asked.length).toBeGreaterThan(0)
    for (const name of asked) expect(declared.has(name), name).toBe(true)
    for (const label of shown) expect(kept ?? declared.get(asked[0] ?? '')).toContain(label)
    for (const label of kept ?? []) expect(declared.get(asked[0] ?? '')).toContain(label)
  })
})
