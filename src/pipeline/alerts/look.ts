/**
 * Looks for what is wrong, and tells of it: in the log, and by the webhook if there is one.
 *
 * State is in the run store: of many processes one looks at a time, and each alert is told once, open and resolved,
 * over restarts too. A webhook that fails holds up nothing: what it could not be told is told later.
 */

import { slackMessage } from '../../lib/alerts/slack-message.ts'
import { createWebhook } from '../../lib/alerts/webhook.ts'
import { isLakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { Alert, KnownAlert, RuleFinding } from '../../lib/runs/alerts/alert-book.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import type { Platform } from '../platform/compose.ts'
import { cronOf } from '../platform/schedule-settings.ts'
import type { FailedStage } from '../platform/supervisor.ts'
import { laggingLanding, laggingRealtime, staleBronze, stoppedStages, troubledStages } from './stage-rules.ts'
import { failedRuns, type HintOf, redChecks, staleBatch, unexplainedDifferences } from './store-rules.ts'

export interface LookOptions extends IoOptions {
  readonly hintOf: HintOf
  /** Of a platform whose stages all run in this process: those that have stopped. Heartbeats are then of no other. */
  readonly failedStages?: readonly FailedStage[]
  /** `store`: by the run store alone. */
  readonly at?: 'all' | 'store'
}

type Rule = () => Promise<readonly Alert[]>

/** Does nothing while another process looks. @throws what the run store throws. */
export async function lookForAlerts(platform: Platform, options: LookOptions): Promise<void> {
  const store = await platform.runs()
  try {
    await store.leases.withLease('alerts', ({ signal }) => look(platform, store, { ...options, signal }), {
      signal: options.signal,
    })
  } catch (error) {
    if (!isLakeError(error, 'RUN_BUSY')) throw error
  }
}

async function look(platform: Platform, store: RunStore, options: LookOptions): Promise<void> {
  const { signal } = options
  const { logger } = platform
  const findings: RuleFinding[] = []
  for (const [rule, find] of Object.entries(await rulesOf(platform, store, options))) {
    signal?.throwIfAborted()
    try {
      findings.push({ rule, alerts: await find() })
    } catch (error) {
      signal?.throwIfAborted()
      // What it watches is not known now: its alerts stay as they are.
      logger.debug({ err: error, rule }, 'A rule of the alerts could not look')
    }
  }
  const { opened, resolved } = await store.alerts.observe(findings, { signal })
  for (const { key, summary, problem, next } of opened) logger.error({ alert: key, problem, next }, summary)
  for (const { key, summary } of resolved) logger.info({ alert: key }, `Over: ${summary}`)
  await tell(platform, store, { signal })
}

async function rulesOf(
  platform: Platform,
  store: RunStore,
  { hintOf, failedStages, at = 'all', signal }: LookOptions,
): Promise<Readonly<Record<string, Rule>>> {
  const { config, clock } = platform
  const known = await store.alerts.open({ signal })
  const ofStore: Record<string, Rule> = {
    runs: () => failedRuns(store, { known, hintOf, signal }),
    checks: () => redChecks(store, { signal }),
    differences: () => unexplainedDifferences(store, { signal }),
    'stale-batch': () => staleBatch(store, { cron: cronOf(config), nowMs: clock.now(), signal }),
  }
  if (at === 'store') return ofStore
  return {
    ...ofStore,
    stages: async () =>
      failedStages === undefined
        ? troubledStages(platform, { hintOf, signal })
        : stoppedStages(failedStages, hintOf),
    'landing-lag': () => laggingLanding(platform, { signal }),
    'realtime-lag': () => laggingRealtime(platform, { hasStages: failedStages !== undefined, signal }),
    'stale-bronze': () => staleBronze(platform, { signal }),
  }
}

const firstDelayMs = 30_000
const longestDelayMs = 10 * 60_000

/** In order; after one that fails the others wait too. */
async function tell(platform: Platform, store: RunStore, { signal }: IoOptions): Promise<void> {
  const { config, clock, logger } = platform
  const url = config.alerts.webhookUrl
  const due = await store.alerts.due({ signal })
  if (url === undefined) {
    // What is over by now need not be told to a webhook that comes later.
    for (const alert of due) if (alert.resolvedMs !== undefined) await store.alerts.told(alert, { signal })
    return
  }
  const webhook = createWebhook({ url, clock })
  for (const alert of due) {
    try {
      await webhook.send(slackMessage(messageOf(alert)), { signal })
      await store.alerts.told(alert, { signal })
    } catch (error) {
      signal?.throwIfAborted()
      if (!isLakeError(error, 'WEBHOOK_UNAVAILABLE', 'WEBHOOK_REFUSED')) throw error
      const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(alert.failures, 10))
      for (const each of due.slice(due.indexOf(alert))) await store.alerts.untold(each, delayMs, { signal })
      logger.warn({ err: error, alert: alert.key, againInMs: delayMs }, 'An alert could not be sent yet')
      return
    }
  }
}

function messageOf({
  summary,
  problem,
  next,
  openedMs,
  resolvedMs,
}: KnownAlert): Parameters<typeof slackMessage>[0] {
  const since = new Date(openedMs).toISOString()
  if (resolvedMs === undefined) {
    return { title: `🔴 ${summary}`, lines: [problem, `Next: ${next}`, `Since ${since}`] }
  }
  return { title: `🟢 Over: ${summary}`, lines: [`From ${since} to ${new Date(resolvedMs).toISOString()}`] }
}
