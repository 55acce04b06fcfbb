import { expect, it } from 'vitest'
import { nearest } from './nearest.ts'

const names = ['gold/daily_active_users', 'bronze/events', 'silver/events', 'people']

it.each([
  ['gold/daily_active_user', ['gold/daily_active_users']],
  ['peolpe', ['people']],
  ['events', ['bronze/events', 'silver/events']],
  ['Bronze/Event', ['bronze/events']],
  ['orders', []],
])('nearest(%j) are %j', (given, found) => {
  expect(nearest(given, names)).toEqual(found)
})
