import { describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { openRunStore } from './run-store.ts'
import { parseRunStoreUrl } from './run-store-url.ts'

describe('parseRunStoreUrl(url)', () => {
  it('reads the path of a SQLite file', () => {
    expect(parseRunStoreUrl('sqlite:/var/lib/runs.db')).toEqual({ kind: 'sqlite', path: '/var/lib/runs.db' })
    expect(parseRunStoreUrl('sqlite:///var/lib/runs.db')).toEqual({
      kind: 'sqlite',
      path: '/var/lib/runs.db',
    })
    expect(parseRunStoreUrl('sqlite:runs.db')).toEqual({ kind: 'sqlite', path: 'runs.db' })
  })

  it('reads host, port, user, password and database of a MySQL server', () => {
    expect(parseRunStoreUrl('mysql://lake:p%40ss@db.example/lake?tls=true')).toEqual({
      kind: 'mysql',
      host: 'db.example',
      port: 3306,
      user: 'lake',
      password: 'p@ss',
      database: 'lake',
      hasTls: true,
    })
  })

  it.each([
    'postgres://lake:secret@db/lake',
    'mysql://lake:secret@db',
    'mysql://lake:secret@db/lake?sslmode=on',
    'mysql://lake:secret@db/lake?tls=maybe',
    'mysql://lake:secret%@db/lake',
    'lake:secret@db',
    'sqlite:',
  ])('refuses %s, without the password', (url) => {
    expect(() => parseRunStoreUrl(url)).toThrow(
      expect.toSatisfy(
        (error) =>
          isLakeError(error, 'CONFIG_INVALID') && !JSON.stringify([error, String(error)]).includes('secret'),
      ),
    )
  })
})

describe('openRunStore({ url: "mysql://…" })', () => {
  it('says which host does not answer, without the password', async () => {
    const opening = openRunStore({ url: 'mysql://lake:secret@127.0.0.1:1/lake' })

    await expect(opening).rejects.toSatisfy(
      (error) =>
        isLakeError(error, 'RUNSTORE_UNAVAILABLE') &&
        error.message.includes('127.0.0.1:1') &&
        !`${error.message} ${JSON.stringify(error.details)}`.includes('secret'),
    )
  })
})
