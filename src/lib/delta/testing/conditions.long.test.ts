import { describeConditions } from './conditions.contract.ts'

describeConditions({
  seed: Number(process.env['LAKE_CONDITIONS_SEED'] ?? Date.now() % 1_000_000_007),
  tables: Number(process.env['LAKE_CONDITIONS_TABLES'] ?? 4),
  conditions: 160,
})
