/** Reads variants for tests: Parquet's VariantEncoding.md, without a word of `variant.ts`. */

type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain }

/** As plain values; whole numbers, decimals and times as text with their type before it, whatever their width. */
export function readVariant({
  metadata,
  value,
}: {
  readonly metadata: Uint8Array
  readonly value: Uint8Array
}): Plain {
  return read(Buffer.from(value), names(Buffer.from(metadata)))
}

function names(bytes: Buffer): readonly string[] {
  const width = (bytes.readUInt8(0) >> 6) + 1
  const count = bytes.readUIntLE(1, width)
  const at = (index: number): number => bytes.readUIntLE(1 + width * (index + 1), width)
  const texts = bytes.subarray(1 + width * (count + 2))
  return Array.from({ length: count }, (_, index) => texts.toString('utf8', at(index), at(index + 1)))
}

function read(bytes: Buffer, fields: readonly string[]): Plain {
  const header = bytes.readUInt8(0) >> 2
  switch (bytes.readUInt8(0) & 3) {
    case 0:
      return scalar(header, bytes.subarray(1))
    case 1:
      return bytes.toString('utf8', 1, 1 + header)
    case 2: {
      const [width, idWidth] = [(header & 3) + 1, ((header >> 2) & 3) + 1]
      const countWidth = header >> 4 === 1 ? 4 : 1
      const count = bytes.readUIntLE(1, countWidth)
      const idsAt = 1 + countWidth
      const offsetsAt = idsAt + idWidth * count
      const start = offsetsAt + width * (count + 1)
      return Object.fromEntries(
        Array.from({ length: count }, (_, at) => {
          const name = fields[bytes.readUIntLE(idsAt + idWidth * at, idWidth)] ?? '?'
          const offset = bytes.readUIntLE(offsetsAt + width * at, width)
          return [name, read(bytes.subarray(start + offset), fields)] as const
        }).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      )
    }
    default: {
      const width = (header & 3) + 1
      const countWidth = header >> 2 === 1 ? 4 : 1
      const count = bytes.readUIntLE(1, countWidth)
      const start = 1 + countWidth + width * (count + 1)
      return Array.from({ length: count }, (_, at) =>
        read(bytes.subarray(start + bytes.readUIntLE(1 + countWidth + width * at, width)), fields),
      )
    }
  }
}

function scalar(type: number, bytes: Buffer): Plain {
  const whole = (width: number, from = 0): bigint => {
    const digits = bytes.subarray(from, from + width).toReversed()
    return BigInt.asIntN(width * 8, BigInt(`0x${Buffer.from(digits).toString('hex')}`))
  }
  const sized = (): Buffer => bytes.subarray(4, 4 + bytes.readUInt32LE(0))
  switch (type) {
    case 0:
      return null
    case 1:
    case 2:
      return type === 1
    case 3:
    case 4:
    case 5:
    case 6:
      return `integer ${whole(2 ** (type - 3))}`
    case 7:
      return bytes.readDoubleLE(0)
    case 8:
    case 9:
    case 10: {
      const [digits, scale] = [whole(2 ** (type - 6), 1), bytes.readUInt8(0)]
      // Writers choose any scale that holds the value.
      return `decimal ${(digits * 10n ** 38n) / 10n ** BigInt(scale)}e-38`
    }
    case 11:
      return `day ${whole(4)}`
    case 12:
      return `instant ${whole(8)}`
    case 13:
      return `local ${whole(8)}`
    case 14:
      return `float ${bytes.readFloatLE(0)}`
    case 15:
      return `binary ${sized().toString('hex')}`
    case 16:
      return sized().toString('utf8')
    default:
      throw new Error(`type ${type}`)
  }
}
