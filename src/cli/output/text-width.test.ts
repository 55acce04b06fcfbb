import { expect, it } from 'vitest'
import { fitted, textWidth } from './text-width.ts'

const family = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'

it.each([
  ['abc', 3],
  ['', 0],
  ['数字', 4],
  [family, 2],
  ['e\u0301', 1],
  ['\u{1f1e9}\u{1f1ea}', 2],
])('textWidth(%j) is %i', (text, width) => {
  expect(textWidth(text)).toBe(width)
})

it.each([
  ['abcdef', 6, 'abcdef'],
  ['abcdef', 4, 'abc…'],
  [`a${family}b`, 3, 'a…'],
  [`a${family}b`, 4, `a${family}b`],
  [`a${family}bc`, 4, `a${family}…`],
  ['数字数字', 4, '数…'],
])('fitted(%j, %i) is %j', (text, width, fitting) => {
  expect(fitted(text, width)).toBe(fitting)
})
