/** Metrics with a test of their own beside them, as promotion writes it: what others are held to elsewhere, it holds them to. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { goldMetrics } from './gold.ts'

const files = new Set(readdirSync(join(import.meta.dirname, 'metrics')))

export const hasOwnTest = (metric: string): boolean => files.has(`${metric.replaceAll('_', '-')}.test.ts`)

/** The ids of their panels. */
export const ownTestedPanels: ReadonlySet<string> = new Set(
  goldMetrics.filter(({ name }) => hasOwnTest(name)).flatMap(({ panels }) => panels.map(({ id }) => id)),
)
