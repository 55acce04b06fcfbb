/** As the test beside it, for zones of every kind and over decades. */
import { describeTicks, type ZoneAndYears } from './time-zone.contract.ts'

/** Zones with changes of every kind: an hour, half, two, at midnight, a minute after it, a day, in a fast, and none. */
const zones: readonly ZoneAndYears[] = [
  ['Europe/Berlin', 1980, 2037],
  ['America/New_York', 1971, 2037],
  ['Australia/Lord_Howe', 1985, 2037],
  ['America/St_Johns', 1987, 2012],
  ['America/Sao_Paulo', 1986, 2019],
  ['Africa/Casablanca', 2013, 2030],
  ['Antarctica/Troll', 2006, 2030],
  ['Asia/Tehran', 2009, 2022],
  ['Pacific/Apia', 2010, 2020],
  ['Asia/Kolkata', 2020, 2021],
]

describeTicks(zones)
