import { describe, expect, it } from 'vitest'
import { stageStates } from '../platform/stream-status.ts'
import { alertRules } from './alert-rules.ts'
import { platformMetrics, stageMetrics } from './stage-metrics.ts'

const declared = new Map<string, readonly string[]>(
  [...stageMetrics, ...platformMetrics].map(({ name, labels }) => [name, labels]),
)

describe('the rules for alerts', () => {
  it.each(alertRules)('$name asks for metrics and labels that there are', ({ expression }) => {
    const asked = [...expression.matchAll(/(?<name>lakeshore_\w+)(?:\{(?<label>\w+)=)?/g)]

    expect(asked.length).toBeGreaterThan(0)
    for (const { groups } of asked) {
      expect([...declared.keys()]).toContain(groups?.['name'])
      if (groups?.['label'] !== undefined)
        expect(declared.get(groups['name'] ?? '')).toContain(groups['label'])
    }
  })

  it.each(alertRules)('$name asks for states of a stage that there are', ({ expression }) => {
    const named = [...expression.matchAll(/state=~?"(?<states>[^"]+)"/g)].flatMap(({ groups }) =>
      (groups?.['states'] ?? '').split('|'),
    )

    expect(named.filter((state) => !(stageStates as readonly string[]).includes(state))).toEqual([])
  })

  it.each(alertRules)('$name shows labels that its expression keeps', ({ expression, summary, next }) => {
    const shown = [...`${summary} ${next}`.matchAll(/\$labels\.(?<label>\w+)/g)].map(
      ({ groups }) => groups?.['label'],
    )
    const grouped = /by \((?<labels>[^)]*)\)/.exec(expression)?.groups?.['labels']?.split(', ')

    expect(shown.filter((label) => !(grouped ?? ['stage', 'partition']).includes(label ?? ''))).toEqual([])
  })
})
