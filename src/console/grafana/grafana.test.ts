import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { overviewTitle } from '../overview.ts'
import { panels } from '../panels.ts'
import { datasourceUid, grafanaDashboard, pluginId } from './grafana.ts'

const root = join(import.meta.dirname, '../../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

describe('grafanaDashboard(title, panels)', () => {
  it('is what the repository holds; `npm run generate` writes it', () => {
    expect(read('dashboards/lakehouse-platform-overview.json')).toBe(grafanaDashboard(overviewTitle, panels))
  })

  it('has each panel with its SQL, refreshed every ten seconds', () => {
    const dashboard: unknown = JSON.parse(grafanaDashboard(overviewTitle, panels))

    expect(dashboard).toMatchObject({
      refresh: '10s',
      panels: panels.map(({ title, sql }) => ({ title, targets: [{ rawSql: sql }] })),
    })
  })
})

describe('dashboards/provisioning', () => {
  const datasource = read('dashboards/provisioning/datasources/clickhouse.yaml')

  it('names the data source that the dashboard asks for', () => {
    expect(datasource).toContain(`uid: ${datasourceUid}\n`)
    expect(datasource).toContain(`type: ${pluginId}\n`)
  })

  it('takes the password from the environment', () => {
    expect(datasource.match(/password:.*/g)).toEqual(['password: $CLICKHOUSE_PASSWORD'])
  })
})
