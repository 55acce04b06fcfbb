import { describeLargeColumns } from './large-columns.contract.ts'

describeLargeColumns([
  'large.s',
  'encode(large.s) as b',
  '[large.s, null] as l',
  '[[large.s]] as l',
  "{'a': 1, 'b c': large.s} as r",
  'map {large.s: 1} as m',
  'range(250000) as l',
])
