/** `docs/monitoring.md`: what Prometheus can scrape, and what to alert on, from their declarations. */
import { alertRules } from '../../src/pipeline/monitoring/alert-rules.ts'
import { platformMetrics, stageMetrics } from '../../src/pipeline/monitoring/stage-metrics.ts'

type Metric = Pick<(typeof stageMetrics)[number], 'name' | 'type' | 'help' | 'labels'>

const metricTable = (metrics: readonly Metric[]): string =>
  [
    '| metric | type | labels | is |',
    '|---|---|---|---|',
    ...metrics.map(
      ({ name, type, help, labels }) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
    ),
  ].join('\n')

export function metricsReference(): string {
  return `# Metrics for Prometheus

Made by \`npm run generate\` from the declarations in \`src/pipeline/monitoring\`.

Each long-running process serves \`/metrics\` in Prometheus' text format. The console, and \`lake up\` with it, serves it on its own port, under
its own rules: with CONSOLE_TOKEN a scrape sends \`Authorization: Bearer …\`, and the name by which it is asked must be in
CONSOLE_ALLOWED_HOSTS. \`lake produce\`, \`land\`, \`realtime\` and \`schedule\` serve it on METRICS_PORT, and not without it; METRICS_HOST is the
address (127.0.0.1). That port asks nobody for a password: keep it in a network of your own.

\`\`\`yaml
scrape_configs:
  - job_name: lakeshore-stages
    static_configs: [{ targets: ['landing:9464', 'realtime:9464'] }]
  - job_name: lakeshore-console
    authorization: { credentials_file: /run/secrets/console_token }
    static_configs: [{ targets: ['console:8080'] }]
rule_files: [lakeshore.rules.yml] # deploy/prometheus/lakeshore.rules.yml
\`\`\`

Beside these, each process has those of Node.js and of the operating system (\`process_*\`, \`nodejs_*\`), and \`lakeshore_build_info\`.

\`deploy/prometheus/lakehouse-streams.json\` is a dashboard of them for Grafana: import it, and choose the Prometheus that
scrapes them.

## Of the stages that run in the process

Counters start at zero with the process. What is not known has no sample, such as the lag while the log does not answer.

${metricTable(stageMetrics)}

## Of the whole platform

Served by the console alone, from what all processes have recorded ([streams.md](streams.md)).

${metricTable(platformMetrics)}

## Alerts

In \`deploy/prometheus/lakeshore.rules.yml\`. Without Prometheus, \`lake up\` and \`lake schedule\` send alerts themselves
([alerts.md](alerts.md)).

| alert | when | for |
|---|---|---|
${alertRules.map(({ name, expression, for: lasting }) => `| \`${name}\` | \`${expression.replaceAll('|', '\\|')}\` | ${lasting} |`).join('\n')}
`
}

/** The rules as the text of Prometheus' file. */
export function rulesFile(): string {
  const rules = alertRules.map(
    ({ name, expression, for: lasting, severity, summary, next }) => `      - alert: ${name}
        expr: ${JSON.stringify(expression)}
        for: ${lasting}
        labels: { severity: ${severity} }
        annotations:
          summary: ${JSON.stringify(summary)}
          description: ${JSON.stringify(next)}
`,
  )
  return `# Made by \`npm run generate\` from src/pipeline/monitoring/alert-rules.ts.
groups:
  - name: lakeshore
    rules:
${rules.join('')}`
}
