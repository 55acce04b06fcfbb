/** Opens the table at a path with all its files, and prints the seconds and the bytes of memory that the process then holds. */
import { DeltaTable } from '../../src/lib/delta/index.ts'
import { openDuckDb } from '../../src/lib/duckdb/duckdb.ts'
import { openLocalStore } from '../../src/lib/storage/store.local.ts'

const path = process.argv[2] ?? ''
using duckdb = await openDuckDb()
const startedMs = performance.now()
const snapshot = await new DeltaTable({ store: openLocalStore(path), duckdb }).snapshot()
if (snapshot.files.length === 0) throw new Error(`${path}: no files`)
const seconds = (performance.now() - startedMs) / 1000
console.log(`${seconds} ${process.memoryUsage().rss}`)
