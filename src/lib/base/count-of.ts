/** A number with its noun, for messages: `countOf(1, 'row')` is `1 row`, `countOf(0, 'batch', 'batches')` `0 batches`. */
export function countOf(count: number | bigint, noun: string, plural = `${noun}s`): string {
  return `${count} ${Number(count) === 1 ? noun : plural}`
}
