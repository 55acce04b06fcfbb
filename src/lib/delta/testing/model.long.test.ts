import { describeModel } from './model.contract.ts'

describeModel({
  seed: Number(process.env['LAKE_MODEL_SEED'] ?? Date.now() % 1_000_000_007),
  steps: Number(process.env['LAKE_MODEL_STEPS'] ?? 60),
})
