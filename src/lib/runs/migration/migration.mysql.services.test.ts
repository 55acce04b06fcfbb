import { openMysql } from '../database.mysql.ts'
import { makeDatabase } from '../mysql-database.fixture.ts'
import { describeMigration, rowsOf } from './migration.contract.ts'

const serverUrl = process.env['METADATA_URL'] ?? ''

describeMigration('MySQL', async () => {
  const fresh = await makeDatabase(serverUrl)
  const { hostname: host, port, username: user, password, pathname } = new URL(fresh.url)
  const database = pathname.slice(1)
  const openAt = (to?: number): ReturnType<typeof openMysql> =>
    openMysql({ host, port: Number(port), user, password, database, hasTls: false, ...(to && { to }) })
  return {
    url: fresh.url,
    openAt,
    async copies(tables) {
      await using store = await openAt()
      const names = (await store.db.introspection.getTables()).map(({ name }) => name)
      const versions = new Set(names.flatMap((name) => /^lake_v\d+_to_v\d+_(?=runs$)/.exec(name) ?? []))
      return await Promise.all(
        [...versions].map((prefix) => rowsOf(store, tables, (table) => prefix + table)),
      )
    },
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
})
