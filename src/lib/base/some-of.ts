/** Names for a message: the first 20, and how many more there are. */
export function someOf(names: readonly string[]): string {
  const most = 20
  const more = names.length - most
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ')
}
