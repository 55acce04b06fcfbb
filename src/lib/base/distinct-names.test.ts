import { expect, it } from 'vitest'
import { distinctNames } from './distinct-names.ts'

it.each([
  [
    ['a', 'b'],
    ['a', 'b'],
  ],
  [
    ['a', 'a', 'a'],
    ['a', 'a:1', 'a:2'],
  ],
  [
    ['a', 'a', 'a:1'],
    ['a', 'a:2', 'a:1'],
  ],
  [
    ['a:1', 'a', 'a', 'a:1'],
    ['a:1', 'a', 'a:2', 'a:1:1'],
  ],
  [
    ['__proto__', '__proto__'],
    ['__proto__', '__proto__:1'],
  ],
])('distinctNames(%j) is %j', (names, distinct) => {
  expect(distinctNames(names)).toEqual(distinct)
})
