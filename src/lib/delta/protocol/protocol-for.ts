/**
 * The protocol that a table needs for its schema and properties. Delta PROTOCOL.md, "Table Features" and "Protocol
 * Evolution".
 *
 * A protocol only grows: older versions and files may still use what it once allowed.
 */

import type { StructType } from '../schema/schema.ts'
import { features, impliedFeatures, readerFeaturesOf, usedFeatures } from './features.ts'
import type { Protocol, StringMap } from './metadata.ts'

const isForReaders = (name: string): boolean => features[name]?.isForReaders === true

/** What a new table may use without asking: all writers know these. */
const always = ['appendOnly', 'invariants']
/** The version that implies exactly those, also for writers that know no features by name. */
const plain: Protocol = { minReaderVersion: 1, minWriterVersion: 2 }

/**
 * @param current Of the table that is to have this schema and these properties; `undefined` for a new one.
 * @param further Features to be listed whether they are used or not.
 * @returns `current` itself where it allows all that is used.
 */
export function protocolFor(
  schema: StructType,
  properties: StringMap,
  current?: Protocol,
  further: readonly string[] = [],
): Protocol {
  const needed = [...usedFeatures(schema, properties)]
  needed.push(...further.filter((name) => !needed.includes(name)))
  if (current === undefined) {
    const isPlain = needed.every((name) => always.includes(name))
    return isPlain ? plain : listing([...new Set([...always, ...needed])], [])
  }
  const allowed = impliedFeatures(current)
  const forReaders = readerFeaturesOf(current)
  const lacksNone = needed.every(
    (name) => allowed.includes(name) && (!isForReaders(name) || forReaders.includes(name)),
  )
  return lacksNone ? current : listing([...new Set([...allowed, ...needed])], forReaders)
}

/** A protocol that allows what either does. */
export function mergedProtocol(a: Protocol, b: Protocol): Protocol {
  const [ofA, ofB] = [impliedFeatures(a), impliedFeatures(b)]
  const covers = (own: readonly string[], other: readonly string[]): boolean =>
    other.every((name) => own.includes(name))
  const [readA, readB] = [readerFeaturesOf(a), readerFeaturesOf(b)]
  if (covers(ofA, ofB) && covers(readA, readB)) return a
  return listing([...new Set([...ofA, ...ofB])], [...new Set([...readA, ...readB])])
}

function listing(writer: readonly string[], reader: readonly string[]): Protocol {
  const forReaders = [...new Set([...reader, ...writer.filter((name) => isForReaders(name))])]
  return {
    minReaderVersion: forReaders.length > 0 ? 3 : 1,
    minWriterVersion: 7,
    ...(forReaders.length > 0 && { readerFeatures: forReaders }),
    writerFeatures: [...new Set([...writer, ...forReaders])],
  }
}
