/** Bytes as people read them: sixteen a line, with their place and what of them is ASCII. */

const bytesOfLine = 16

/** As `xxd -g1` writes them, without an end of line. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += bytesOfLine) {
    const line = [...bytes.subarray(at, at + bytesOfLine)]
    const hex = line.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const ascii = line.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(8, '0')}: ${hex.padEnd(bytesOfLine * 3 - 1)}  ${ascii}`)
  }
  return lines.join('\n')
}
