/**
 * What each panel must show, by its id: told by the producer's ledger, and where being on time matters, by the
 * replay of the log. A panel that is missing here fails its test, unless
 * its metric has a test of its own.
 */
import type { Figures } from '../console/answers.ts'
import type { TimeRange } from '../console/macros.ts'
import type { LedgerCount, LedgerFile } from '../pipeline/producer/ledger.ts'
import { type LoggedEvent, type Replay, tally } from './oracle.ts'

/** `range` is of whole minutes, one a bin, and holds all events; all days are closed. */
export function panelTruth(
  ledger: LedgerFile,
  { valid }: Replay,
  range: TimeRange,
): Readonly<Record<string, Figures>> {
  const onTime = valid.filter(({ isLate }) => !isLate)
  const purchases = ledger.counts.filter(({ event_type }) => event_type === 'purchase')
  return {
    'daily-active-users': stat(ledger, ({ users }) => users),
    'conversion-rate': stat(ledger, ({ users, purchasers }) => purchasers / users),
    'total-purchases': stat(ledger, ({ event_date }) => eventsOf(event_date, purchases)),
    'total-events': stat(ledger, ({ event_date }) => eventsOf(event_date, ledger.counts)),
    'event-stream': timeseries(range, onTime, ({ eventType }) => eventType, [
      'click',
      'login',
      'logout',
      'purchase',
    ]),
    'logins-per-source': timeseries(
      range,
      onTime.filter(({ eventType }) => eventType === 'login'),
      ({ source }) => source,
      ['web', 'mobile'],
    ),
    'top-pages-by-purchases': topPages(purchases),
  }
}

function stat(ledger: LedgerFile, figureOf: (day: LedgerFile['days'][number]) => number): Figures {
  return {
    kind: 'stat',
    days: ledger.days.map((day) => ({ day: day.event_date, value: figureOf(day), isProvisional: false })),
  }
}

function eventsOf(day: string, counts: readonly LedgerCount[]): number {
  return counts.filter(({ minute }) => minute.startsWith(day)).reduce((sum, { events }) => sum + events, 0)
}

function timeseries(
  { fromMs, toMs, stepMs }: TimeRange,
  events: readonly LoggedEvent[],
  labelOf: (event: LoggedEvent) => string,
  labels: readonly string[],
): Figures {
  return {
    kind: 'timeseries',
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    stepSeconds: stepMs / 1000,
    series: labels.map((label) => ({
      label,
      points: Object.entries(tally(events, (event) => (labelOf(event) === label ? event.minute : '')))
        .filter(([minute]) => minute !== '')
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([minute, value]) => ({ time: minute.replace('Z', '.000Z'), value })),
    })),
  }
}

function topPages(purchases: readonly LedgerCount[]): Figures {
  const byPage = new Map<string, number>()
  for (const { page, events } of purchases) byPage.set(page, (byPage.get(page) ?? 0) + events)
  const bars = [...byPage].map(([label, value]) => ({ label, value, provisional: 0 }))
  return {
    kind: 'bars',
    bars: bars.sort((a, b) => b.value - a.value || (a.label < b.label ? -1 : 1)).slice(0, 10),
  }
}
