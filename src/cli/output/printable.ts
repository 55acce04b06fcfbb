/**
 * Makes text from outside safe to show: characters that move the cursor or change the direction of text are escaped.
 */

// A joiner between two pictures makes one emoji of them, and moves nothing.
const unsafe =
  /(?!(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d(?=\p{Extended_Pictographic}))[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

export function printable(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.codePointAt(0) ?? 0
    return short[character] ?? (code < 256 ? `\\x${hex(code, 2)}` : `\\u{${hex(code, 1)}}`)
  })
}

/** Bytes as text where they are text, the others as `\xNN`; cut at `maxLength` characters. */
export function printableBytes(bytes: Uint8Array, maxLength: number): string {
  const head = bytes.subarray(0, maxLength * 4)
  const text = isUtf8Prefix(head) ? printable(Buffer.from(head).toString()) : latin(head)
  return text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text
}

function isUtf8Prefix(bytes: Uint8Array): boolean {
  try {
    // With `stream`, a character that the cut has halved is no fault.
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}

function latin(bytes: Uint8Array): string {
  return [...bytes]
    .map((byte) =>
      byte >= 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : (short[String.fromCharCode(byte)] ?? `\\x${hex(byte, 2)}`),
    )
    .join('')
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0')
