/** Random files of rows, and what must come of them. */

/** Texts that readers of CSV like to take for something else, or to rewrite. */
export const trickyTexts: readonly string[] = [
  ...[
    '0',
    '1',
    '-1',
    '007',
    '+5',
    '-0',
    '0.0',
    '1.0',
    '1.5',
    '1.50',
    '-2.25',
    '.5',
    '5.',
    '1e3',
    '1e+21',
    '1e-7',
    '1e400',
  ],
  ...[
    '9007199254740993',
    '9223372036854775807',
    '9223372036854775808',
    '12345678901234567890123',
    '0.1234567890123456789',
  ],
  ...[
    '0x1F',
    '1_000',
    '1,5',
    ' 1',
    '1 ',
    'NaN',
    'inf',
    '-Infinity',
    '12345678901234567890123456789012345678.5',
  ],
  ...['true', 'false', 'TRUE', 't', 'yes', 'no', 'null', 'NULL', '\\N', 'None', ''],
  ...[
    '2024-01-02',
    '2024-02-30',
    '0000-01-01',
    '0001-01-01',
    '9999-12-31',
    '01/02/2024',
    '10-11-12',
    '20240102',
    '2024-1-2',
  ],
  ...[
    '2024-01-02T03:04:05Z',
    '2024-01-02T03:04:05.000006Z',
    '2024-01-02T03:04:05.000006',
    '2024-01-02 03:04:05',
    '2024-01-02T03:04:05.123456789Z',
  ],
  ...[
    '2024-01-02T03:04:05+02:00',
    '2024-01-02T24:00:00.000000Z',
    '2016-12-31T23:59:60.000000Z',
    '12:30',
    '12:30:00',
  ],
  ...[
    '550E8400-E29B-41D4-A716-446655440000',
    '#',
    '# a',
    '"',
    '""',
    "'",
    ',',
    'a,b',
    'a"b',
    '\n',
    '\r\n',
    '\r',
    'a\nb',
    '\t',
    ';',
    '\\',
    '\\"',
  ],
  ...['\uFEFF', '\u0000', 'é', '日本', '😀', '[', '{}', '[1]', '{"a":1}', '__proto__', 'x'.repeat(300)],
]

/** A text as the lake prints a value of a type. */
export function printed(value: unknown): string | null {
  return value === null ? null : String(value)
}

export function csvField(value: string | null, isQuoted: boolean): string {
  if (value === null) return ''
  return isQuoted || value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

/** Some bytes of a file changed, left out or put twice. */
export function mutated(bytes: Buffer, random: (below: number) => number): Buffer {
  const odd = Buffer.from('",\n\r{}[]:\\0129eE.-# \ttfn\u0000\u00ff\u00c3', 'latin1')
  let result = bytes
  for (let changes = random(4); changes >= 0; changes--) {
    const at = random(result.length + 1)
    const put =
      random(3) === 0 ? result.subarray(at, at + random(20)) : odd.subarray(random(odd.length)).subarray(0, 1)
    result = Buffer.concat([result.subarray(0, at), put, result.subarray(at + random(3))])
  }
  return result
}
