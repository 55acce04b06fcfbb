/** Files that are derived from declarations, by their paths from the root of the repository. */
import { grafanaDashboard } from '../../src/console/grafana/grafana.ts'
import { streamsDashboard } from '../../src/console/grafana/streams.ts'
import { overviewTitle } from '../../src/console/overview.ts'
import { panels } from '../../src/console/panels.ts'
import { auditSql } from './audit-sql.ts'
import { aclScript, rightsReference } from './kafka-acls.ts'
import { metricsReference, rulesFile } from './metrics-reference.ts'
import { tableReference } from './table-reference.ts'

export function derivedFiles(): Readonly<Record<string, string>> {
  return {
    'dashboards/lakehouse-platform-overview.json': grafanaDashboard(overviewTitle, panels),
    'deploy/kafka/acls.sh': aclScript(),
    'deploy/prometheus/lakehouse-streams.json': streamsDashboard(),
    'deploy/prometheus/lakeshore.rules.yml': rulesFile(),
    'docs/audit.sql': auditSql(),
    'docs/kafka-rights.md': rightsReference(),
    'docs/monitoring.md': metricsReference(),
    'docs/tables.md': tableReference(),
  }
}
