/**
 * Kafka's own rule for the partition of a key, so that a key keeps its partition whatever the adapter. Apache Kafka
 * `Utils.murmur2` and `BuiltInPartitioner.partitionForKey`.
 */
const seed = 0x9747b28c
const multiplier = 0x5bd1e995

/** 32-bit MurmurHash2 of the bytes, as a signed integer. */
export function murmur2(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tail = bytes.length & ~3
  let hash = seed ^ bytes.length
  for (let at = 0; at < tail; at += 4) {
    let word = Math.imul(view.getInt32(at, true), multiplier)
    word = Math.imul(word ^ (word >>> 24), multiplier)
    hash = Math.imul(hash, multiplier) ^ word
  }
  if (bytes.length > tail) {
    for (let at = bytes.length - 1; at >= tail; at--) hash ^= view.getUint8(at) << (8 * (at - tail))
    hash = Math.imul(hash, multiplier)
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier)
  return hash ^ (hash >>> 15)
}

/** The partition, in [0, count), that every message with this key goes to. */
export function partitionOfKey(key: Uint8Array, count: number): number {
  return (murmur2(key) & 0x7fffffff) % count
}

/** Sorts messages by partition, each in the order given; those without a key take turns, from `turn` on. */
export function spread<T extends { readonly key: Uint8Array | null }>(
  messages: readonly T[],
  count: number,
  turn: number,
): T[][] {
  const byPartition: T[][] = Array.from({ length: count }, () => [])
  let keyless = turn
  for (const message of messages) {
    const partition = message.key === null ? keyless++ % count : partitionOfKey(message.key, count)
    byPartition[partition]?.push(message)
  }
  return byPartition
}
