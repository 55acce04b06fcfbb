/**
 * What must be equal for the books to balance, on the way of an event. The ledger keeps what it finds under these names:
 * another name is another identity, with no audit before.
 */
export const identityNames = {
  landed: 'log = bronze + rejected',
  counted: 'log = realtime',
  silver: 'bronze = silver + duplicates + quarantine',
  gold: 'silver ⇒ gold',
  loaded: 'gold in Delta = gold in ClickHouse',
  served: 'gold in Delta = serving in ClickHouse',
  released: 'release = load in ClickHouse',
  windows: 'realtime = batch',
  entries: 'ledger entries = as they were written',
} as const

/** On the way of an event; a name of another release comes last. */
export function byWay(a: string, b: string): number {
  return placeOnWay(a) - placeOnWay(b)
}

const way: readonly string[] = Object.values(identityNames)
const placeOnWay = (name: string): number => (way.includes(name) ? way.indexOf(name) : way.length)
