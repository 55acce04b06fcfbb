/** `docs/audit.sql`: the audit of the books in plain SQL, for somebody who trusts none of this project's programs. */
import { duckDbType } from '../../src/lib/delta/index.ts'
import { isValid } from '../../src/pipeline/model/event-rules.ts'
import { goldMetrics } from '../../src/pipeline/model/gold.ts'
import { type LakeTable, lakeTableNames, lakeTables } from '../../src/pipeline/model/tables.ts'
import { realtimeTableNames } from '../../src/pipeline/serving/tables.ts'

const quote = (name: string): string => `"${name}"`
const columnsOf = (table: LakeTable): string =>
  lakeTables[table].schema.fields.map(({ name }) => quote(name)).join(', ')

export function auditSql(): string {
  return [
    head,
    ...lakeTableNames.map(logOf),
    versions,
    rowsOf('bronze/events', 'all_bronze', 'NULL'),
    rowsOf('bronze/events', 'bronze_events', pinned('silver/events', 'bronze/events')),
    rowsOf('bronze/rejected', 'rejected', 'NULL'),
    rowsOf('silver/events', 'newest_silver', 'NULL'),
    rowsOf('silver/quarantine', 'quarantine', 'NULL'),
    offsets,
    silver,
    ...goldMetrics.flatMap(({ name, sql }) => [
      rowsOf('silver/events', 'silver_events', pinned(`gold/${name}`, 'silver/events')),
      rowsOf(`gold/${name}`, `gold_${name}`, 'NULL'),
      same(
        'silver ⇒ gold',
        `gold/${name}`,
        `SELECT ${columnsOf(`gold/${name}`)} FROM (${sql.trim()})`,
        `gold_${name}`,
      ),
      ...['gold', 'serving'].map((schema) =>
        same(
          `gold in Delta = ${schema} in ClickHouse`,
          `${schema}.${name}`,
          exported(schema, name),
          `gold_${name}`,
        ),
      ),
    ]),
    ...realtimeTableNames.map(ranges),
    tail,
  ].join('\n\n')
}

const exports = [
  ...goldMetrics.flatMap(({ name }) => [`gold.${name}`, `serving.${name}`]),
  ...realtimeTableNames.map((name) => `realtime.${name}`),
]

const head = `-- The audit of the books in plain SQL: over the files of the Delta tables, and over exports of ClickHouse, with no program
-- of Lakeshore. It is generated from the declarations of tables and metrics; docs/books.md says what each identity means.
--
-- Needs the command line of DuckDB, 1.5 or newer, and an empty folder with an export of each of these tables as Parquet:
--   for t in ${exports.join(' ')}; do
--     clickhouse-client -q "SELECT * FROM $t FORMAT Parquet" > FOLDER/$t.parquet
--   done
-- Then, without a batch running beside it:
--   duckdb -c "SET VARIABLE lake = '/path/of/the/lake'; SET VARIABLE folder = 'FOLDER'" -c ".read docs/audit.sql"
-- The last statement gives what is wrong: no row if the books balance. Rows under a deletion vector are not understood:
-- lake table optimize removes them.

SET TimeZone = 'UTC';
CREATE OR REPLACE TEMP TABLE audit (identity VARCHAR, "table" VARCHAR, place VARCHAR, n_left BIGINT, n_right BIGINT, wrong BIGINT);
COPY (SELECT NULL::STRUCT(path VARCHAR) AS "add", NULL::STRUCT(appId VARCHAR, version BIGINT) AS txn WHERE false)
  TO (getvariable('folder') || '/no-checkpoint.parquet') (FORMAT parquet);`

/** The actions of a table's log: those of its checkpoints, and those of its commits. */
function logOf(table: LakeTable): string {
  const path = `getvariable('lake') || '/${table}/_delta_log/`
  return `-- The log of ${table}
SET VARIABLE checkpoints = (
  SELECT list_append(coalesce(list(file), []), getvariable('folder') || '/no-checkpoint.parquet')
  FROM glob(${path}*.checkpoint*.parquet'));
CREATE OR REPLACE TEMP TABLE ${quote(`log ${table}`)} AS
SELECT regexp_extract(filename, '([0-9]{20})\\.', 1)::BIGINT AS version, true AS is_checkpoint, true AS is_add,
  "add".path AS path, txn.appId AS app, txn.version AS app_version
FROM read_parquet(getvariable('checkpoints'), filename = true, union_by_name = true)
UNION ALL
SELECT regexp_extract(filename, '([0-9]{20})\\.', 1)::BIGINT, false, "add" IS NOT NULL,
  coalesce("add".path, remove.path), txn.appId, txn.version
FROM read_json(${path}*.json', format = 'newline_delimited', filename = true, columns = {
  add: 'STRUCT(path VARCHAR)', remove: 'STRUCT(path VARCHAR)', txn: 'STRUCT(appId VARCHAR, version BIGINT)'});`
}

const versions = `-- The files of a version: of the newest checkpoint before it, and of the commits since
CREATE OR REPLACE MACRO files_at(log, upto) AS TABLE
WITH start AS (
  SELECT coalesce(max(version) FILTER (WHERE is_checkpoint AND version <= coalesce(upto, version)), -1) AS first FROM query_table(log))
SELECT path FROM query_table(log), start
WHERE path IS NOT NULL AND version <= coalesce(upto, version) AND (CASE WHEN is_checkpoint THEN version = start.first ELSE version > start.first END)
GROUP BY path HAVING arg_max(is_add, version);

-- The newest version that a transaction of the log names
CREATE OR REPLACE MACRO named_by(log, prefix) AS TABLE
SELECT arg_max(app_version, version) AS version FROM query_table(log) WHERE starts_with(app, prefix);`

function pinned(table: LakeTable, input: LakeTable): string {
  return `(SELECT version FROM named_by('log ${table}', 'batch/v2/${input}/'))`
}

/** A table of the rows of a version; an empty file stands in for a table that has none. */
function rowsOf(table: LakeTable, name: string, version: string): string {
  const { schema, partitionBy = [] } = lakeTables[table]
  const stored = schema.fields.filter((field) => !partitionBy.includes(field.name))
  const empty = `getvariable('folder') || '/no-rows.${table.replace('/', '.')}.parquet'`
  const columns = schema.fields.map((field) =>
    partitionBy.includes(field.name)
      ? `regexp_extract(filename, '${field.name}=([^/]+)/', 1)::${duckDbType(field.type)} AS ${quote(field.name)}`
      : quote(field.name),
  )
  return `-- ${name}: rows of ${table}
COPY (SELECT ${stored.map(({ name: column, type }) => `NULL::${duckDbType(type)} AS ${quote(column)}`).join(', ')} WHERE false)
  TO (${empty}) (FORMAT parquet);
SET VARIABLE upto = ${version};
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/${table}/' || url_decode(path)), []), ${empty})
  FROM files_at('log ${table}', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE ${quote(name)} AS
SELECT ${columns.join(', ')}
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);`
}

const offsets = `-- log = bronze + rejected: from the first offset to the last that landing has passed, each is there once
INSERT INTO audit
WITH landed AS (
  SELECT regexp_extract(app, '/([^/]+)/[0-9]+$', 1) AS topic, regexp_extract(app, '([0-9]+)$', 1)::INTEGER AS part, max(app_version) AS next
  FROM "log bronze/events" WHERE starts_with(app, 'landing/v1/') GROUP BY ALL),
places AS (
  SELECT kafka_topic, kafka_partition, kafka_offset FROM all_bronze
  UNION ALL SELECT kafka_topic, kafka_partition, kafka_offset FROM rejected)
SELECT 'log = bronze + rejected', 'bronze/events', 'partition ' || part, next - min(kafka_offset), count(*),
  (next - min(kafka_offset) - count(DISTINCT kafka_offset)) + (count(*) - count(DISTINCT kafka_offset))
FROM landed JOIN places ON kafka_topic = topic AND kafka_partition = part AND kafka_offset < next GROUP BY part, next;`

const bronzeColumns = columnsOf('bronze/events')

const silver = `-- bronze = silver + duplicates + quarantine: silver has the first valid delivery of each event, quarantine what is not valid
CREATE OR REPLACE TEMP TABLE first_deliveries AS
SELECT ${bronzeColumns} FROM bronze_events WHERE ${isValid}
QUALIFY row_number() OVER (PARTITION BY event_date, event_id ORDER BY kafka_timestamp, kafka_partition, kafka_offset) = 1;
${same('bronze = silver + duplicates + quarantine', 'silver/events', `SELECT ${bronzeColumns} FROM first_deliveries`, 'newest_silver', bronzeColumns)}
${same('bronze = silver + duplicates + quarantine', 'silver/quarantine', `SELECT ${bronzeColumns} FROM bronze_events WHERE NOT coalesce(${isValid}, false)`, 'quarantine', bronzeColumns)}`

/** Rows that stand on one side alone, by day. */
function same(identity: string, table: string, expected: string, found: string, columns = '*'): string {
  return `INSERT INTO audit
WITH expected AS (${expected}), found AS (SELECT ${columns} FROM ${quote(found)}),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT '${identity}', '${table}', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;`
}

function exported(schema: string, name: string): string {
  const columns = lakeTables[`gold/${name}` as LakeTable].schema.fields.map(
    (field) => `${quote(field.name)}::${duckDbType(field.type)} AS ${quote(field.name)}`,
  )
  return `SELECT ${columns.join(', ')} FROM read_parquet(getvariable('folder') || '/${schema}.${name}.parquet')`
}

function ranges(name: string): string {
  return `-- log = realtime: the ranges of offsets that rows of ${name} cover follow each other
INSERT INTO audit
SELECT 'log = realtime', 'realtime.${name}', 'partition ' || kafka_partition,
  max(offset_to) - min(offset_from), sum(offset_to - offset_from), sum(CASE WHEN offset_from <> before THEN 1 ELSE 0 END)
FROM (
  SELECT *, lag(offset_to) OVER (PARTITION BY log_id, kafka_partition ORDER BY offset_from, offset_to) AS before
  FROM (SELECT DISTINCT log_id, kafka_partition, offset_from, offset_to
    FROM read_parquet(getvariable('folder') || '/realtime.${name}.parquet')))
GROUP BY log_id, kafka_partition;`
}

const tail = `FROM audit WHERE wrong <> 0 OR n_left <> n_right ORDER BY ALL;
`
