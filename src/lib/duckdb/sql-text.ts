/** Quoting for DuckDB's SQL. Nothing else may put a name or a value into SQL text. */

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function text(value: string): string {
  // A NUL byte ends a statement early when it stands in its text.
  return value.includes('\0')
    ? value
        .split('\0')
        .map((part) => `'${part.replaceAll("'", "''")}'`)
        .join(' || chr(0) || ')
    : `'${value.replaceAll("'", "''")}'`
}

export function list(items: readonly string[]): string {
  return `[${items.join(', ')}]`
}
