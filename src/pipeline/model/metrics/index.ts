import type { GoldMetric } from '../metric.ts'
import { conversionRateDaily } from './conversion-rate-daily.ts'
import { dailyActiveUsers } from './daily-active-users.ts'
import { eventsPerSourceDaily } from './events-per-source-daily.ts'
import { purchasesPerPageDaily } from './purchases-per-page-daily.ts'

/** Every metric, in the order in which their tasks are shown. */
export const goldMetrics: readonly GoldMetric[] = [
  dailyActiveUsers,
  conversionRateDaily,
  eventsPerSourceDaily,
  purchasesPerPageDaily,
]
