/**
 * Appends rows to a Delta table, once, however often it is run, and reads them back.
 *
 *     npx tsx examples/append-to-a-table.ts /tmp/orders
 */
import { append, DeltaTable, field, readRows, structOf } from '../src/lib/delta/index.ts'
import { openDuckDb } from '../src/lib/duckdb/duckdb.ts'
import { openLocalStore } from '../src/lib/storage/store.local.ts'

const [folder = 'orders'] = process.argv.slice(2)
const schema = structOf(field('id', 'long'), field('price', 'decimal(10,2)'), field('day', 'date'))

using duckdb = await openDuckDb()
const orders = new DeltaTable({ store: openLocalStore(folder), duckdb })
await orders.createIfMissing({ schema, partitionBy: ['day'] })

const select = `select * from (values
  (1::bigint, 9.99::decimal(10,2), date '2026-01-31'),
  (2, 12.50, date '2026-02-01')) as rows(id, price, day)`
// The version of the transaction is committed with the rows: a second run finds it, and writes nothing.
await duckdb.use((session) =>
  append(orders, { session, select }, { transaction: { appId: 'example', version: 1 } }),
)

for await (const rows of readRows(orders, schema, { where: "day >= date '2026-02-01'" })) {
  for (const { id, price, day } of rows) console.log(`order ${id} of ${day}: ${price}`)
}
console.log(`version ${(await orders.snapshot()).version}`)
