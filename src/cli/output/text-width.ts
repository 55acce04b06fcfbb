/**
 * How many cells of a terminal a text takes, and how to cut a text to a number of cells. What a reader sees as one
 * character (an emoji of several code points, a letter with its accents) is never cut.
 */
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
const oneCellEach = /^[\x20-\x7e]*$/
const wide =
  /\p{Emoji_Presentation}|\p{Emoji}\ufe0f|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u
const invisible = /^[\p{Mn}\p{Me}\p{Cf}]+$/u

export function textWidth(text: string): number {
  if (oneCellEach.test(text)) return text.length
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += characterWidth(segment)
  return width
}

/** The text, or as much of it as fits with `…` at its end. */
export function fitted(text: string, width: number): string {
  // A text of so many units is too wide however it is written, and need not be measured to its end.
  const head = text.length > width * 16 ? text.slice(0, width * 16) : text
  if (head === text && textWidth(text) <= width) return text
  if (oneCellEach.test(head)) return `${head.slice(0, Math.max(0, width - 1))}…`
  let kept = ''
  let used = 1
  for (const { segment } of segmenter.segment(head)) {
    used += characterWidth(segment)
    if (used > width) break
    kept += segment
  }
  return `${kept}…`
}

function characterWidth(character: string): number {
  if (invisible.test(character)) return 0
  return wide.test(character) ? 2 : 1
}
