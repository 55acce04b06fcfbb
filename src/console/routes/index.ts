/** Every route of the REST API, which is read-only. */
import { booksRoutes } from './books.ts'
import { healthRoutes } from './health.ts'
import { metricRoutes } from './metrics.ts'
import { openApiRoute } from './openapi.ts'
import { overviewRoutes } from './overview.ts'
import type { Route } from './route.ts'
import { runRoutes } from './runs.ts'
import { tableRoutes } from './tables.ts'

const nouns: readonly Route[] = [
  ...overviewRoutes,
  ...metricRoutes,
  ...tableRoutes,
  ...runRoutes,
  ...booksRoutes,
  ...healthRoutes,
]

export const routes: readonly Route[] = [...nouns, openApiRoute(nouns)]
