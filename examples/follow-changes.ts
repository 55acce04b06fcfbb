/**
 * Follows the changes of a Delta table: what was inserted, updated and deleted since a version.
 *
 *     npx tsx examples/follow-changes.ts /tmp/stock
 */
import { append, DeltaTable, deleteRows, field, structOf, updateRows } from '../src/lib/delta/index.ts'
import { openDuckDb } from '../src/lib/duckdb/duckdb.ts'
import { openLocalStore } from '../src/lib/storage/store.local.ts'

const [folder = 'stock'] = process.argv.slice(2)

using duckdb = await openDuckDb()
const stock = new DeltaTable({ store: openLocalStore(folder), duckdb })
await stock.createIfMissing({
  schema: structOf(field('item', 'string'), field('count', 'long')),
  properties: { 'delta.enableChangeDataFeed': 'true' },
})
using session = await duckdb.connect()
const rows = "select 'pen' as item, 10::bigint as count union all select 'cup', 4"
await append(stock, { session, select: rows })
const seen = (await stock.snapshot()).version

await updateRows(stock, session, { set: { count: 'count - 3' }, where: "item = 'pen'" })
await deleteRows(stock, session, { where: "item = 'cup'" })

// What a consumer does: it keeps the version that it has seen, and asks for what came after it.
const now = await stock.snapshot()
const changes = await stock.changes(session, now, { from: seen + 1 })
for (const { item, count, _change_type } of await session.rows(
  `select * from (${changes}) order by _commit_version, _change_type desc`,
)) {
  console.log(`${_change_type}: ${item} ${count}`)
}
