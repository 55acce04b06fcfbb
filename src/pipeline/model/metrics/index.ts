// Made by `npm run generate` from the files of this folder, in the order of their positions.
import { conversionRateDaily } from './conversion-rate-daily.ts'
import { dailyActiveUsers } from './daily-active-users.ts'
import { eventsPerSourceDaily } from './events-per-source-daily.ts'
import { purchasesPerPageDaily } from './purchases-per-page-daily.ts'

export const goldMetrics = [
  dailyActiveUsers,
  conversionRateDaily,
  eventsPerSourceDaily,
  purchasesPerPageDaily,
] as const
