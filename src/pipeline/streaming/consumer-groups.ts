/** The consumer groups, by who reads. A reader that is alone has a group of its own, whose name begins with one of these. */
export const consumerGroups = {
  landing: 'lakeshore-landing',
  realtime: 'lakeshore-realtime',
  realtimeHoles: 'lakeshore-realtime-holes',
  replay: 'lakeshore-replay',
  ledger: 'lakeshore-ledger',
  firstHistory: 'lakeshore-first-history',
} as const

/** Under which replays of dead letters append: one at a time. */
export const replayWriter = (topic: string): string => `lakeshore-replay-${topic}`
