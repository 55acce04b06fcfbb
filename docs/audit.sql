-- The audit of the books in plain SQL: over the files of the Delta tables, and over exports of ClickHouse, with no program
-- of Lakeshore. It is generated from the declarations of tables and metrics; docs/books.md says what each identity means.
--
-- Needs the command line of DuckDB, 1.5 or newer, and an empty folder with an export of each of these tables as Parquet:
--   for t in gold.daily_active_users serving.daily_active_users gold.conversion_rate_daily serving.conversion_rate_daily gold.events_per_source_daily serving.events_per_source_daily gold.purchases_per_page_daily serving.purchases_per_page_daily realtime.events_per_minute realtime.logins_per_source realtime.purchases_per_minute realtime.late_events; do
--     clickhouse-client -q "SELECT * FROM $t FORMAT Parquet" > FOLDER/$t.parquet
--   done
-- Then, without a batch running beside it:
--   duckdb -c "SET VARIABLE lake = '/path/of/the/lake'; SET VARIABLE folder = 'FOLDER'" -c ".read docs/audit.sql"
-- The last statement gives what is wrong: no row if the books balance. Rows under a deletion vector are not understood:
-- lake table optimize removes them.

SET TimeZone = 'UTC';
CREATE OR REPLACE TEMP TABLE audit (identity VARCHAR, "table" VARCHAR, place VARCHAR, n_left BIGINT, n_right BIGINT, wrong BIGINT);
COPY (SELECT NULL::STRUCT(path VARCHAR) AS "add", NULL::STRUCT(appId VARCHAR, version BIGINT) AS txn WHERE false)
  TO (getvariable('folder') || '/no-checkpoint.parquet') (FORMAT parquet);

-- The log of bronze/events
SET VARIABLE checkpoints = (
  SELECT list_append(coalesce(list(file), []), getvariable('folder') || '/no-checkpoint.parquet')
  FROM glob(getvariable('lake') || '/bronze/events/_delta_log/*.checkpoint*.parquet'));
CREATE OR REPLACE TEMP TABLE "log bronze/events" AS
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT AS version, true AS is_checkpoint, true AS is_add,
  "add".path AS path, txn.appId AS app, txn.version AS app_version
FROM read_parquet(getvariable('checkpoints'), filename = true, union_by_name = true)
UNION ALL
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT, false, "add" IS NOT NULL,
  coalesce("add".path, remove.path), txn.appId, txn.version
FROM read_json(getvariable('lake') || '/bronze/events/_delta_log/*.json', format = 'newline_delimited', filename = true, columns = {
  add: 'STRUCT(path VARCHAR)', remove: 'STRUCT(path VARCHAR)', txn: 'STRUCT(appId VARCHAR, version BIGINT)'});

-- The log of bronze/rejected
SET VARIABLE checkpoints = (
  SELECT list_append(coalesce(list(file), []), getvariable('folder') || '/no-checkpoint.parquet')
  FROM glob(getvariable('lake') || '/bronze/rejected/_delta_log/*.checkpoint*.parquet'));
CREATE OR REPLACE TEMP TABLE "log bronze/rejected" AS
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT AS version, true AS is_checkpoint, true AS is_add,
  "add".path AS path, txn.appId AS app, txn.version AS app_version
FROM read_parquet(getvariable('checkpoints'), filename = true, union_by_name = true)
UNION ALL
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT, false, "add" IS NOT NULL,
  coalesce("add".path, remove.path), txn.appId, txn.version
FROM read_json(getvariable('lake') || '/bronze/rejected/_delta_log/*.json', format = 'newline_delimited', filename = true, columns = {
  add: 'STRUCT(path VARCHAR)', remove: 'STRUCT(path VARCHAR)', txn: 'STRUCT(appId VARCHAR, version BIGINT)'});

-- The log of silver/events
SET VARIABLE checkpoints = (
  SELECT list_append(coalesce(list(file), []), getvariable('folder') || '/no-checkpoint.parquet')
  FROM glob(getvariable('lake') || '/silver/events/_delta_log/*.checkpoint*.parquet'));
CREATE OR REPLACE TEMP TABLE "log silver/events" AS
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT AS version, true AS is_checkpoint, true AS is_add,
  "add".path AS path, txn.appId AS app, txn.version AS app_version
FROM read_parquet(getvariable('checkpoints'), filename = true, union_by_name = true)
UNION ALL
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT, false, "add" IS NOT NULL,
  coalesce("add".path, remove.path), txn.appId, txn.version
FROM read_json(getvariable('lake') || '/silver/events/_delta_log/*.json', format = 'newline_delimited', filename = true, columns = {
  add: 'STRUCT(path VARCHAR)', remove: 'STRUCT(path VARCHAR)', txn: 'STRUCT(appId VARCHAR, version BIGINT)'});

-- The log of silver/quarantine
SET VARIABLE checkpoints = (
  SELECT list_append(coalesce(list(file), []), getvariable('folder') || '/no-checkpoint.parquet')
  FROM glob(getvariable('lake') || '/silver/quarantine/_delta_log/*.checkpoint*.parquet'));
CREATE OR REPLACE TEMP TABLE "log silver/quarantine" AS
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT AS version, true AS is_checkpoint, true AS is_add,
  "add".path AS path, txn.appId AS app, txn.version AS app_version
FROM read_parquet(getvariable('checkpoints'), filename = true, union_by_name = true)
UNION ALL
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT, false, "add" IS NOT NULL,
  coalesce("add".path, remove.path), txn.appId, txn.version
FROM read_json(getvariable('lake') || '/silver/quarantine/_delta_log/*.json', format = 'newline_delimited', filename = true, columns = {
  add: 'STRUCT(path VARCHAR)', remove: 'STRUCT(path VARCHAR)', txn: 'STRUCT(appId VARCHAR, version BIGINT)'});

-- The log of gold/daily_active_users
SET VARIABLE checkpoints = (
  SELECT list_append(coalesce(list(file), []), getvariable('folder') || '/no-checkpoint.parquet')
  FROM glob(getvariable('lake') || '/gold/daily_active_users/_delta_log/*.checkpoint*.parquet'));
CREATE OR REPLACE TEMP TABLE "log gold/daily_active_users" AS
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT AS version, true AS is_checkpoint, true AS is_add,
  "add".path AS path, txn.appId AS app, txn.version AS app_version
FROM read_parquet(getvariable('checkpoints'), filename = true, union_by_name = true)
UNION ALL
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT, false, "add" IS NOT NULL,
  coalesce("add".path, remove.path), txn.appId, txn.version
FROM read_json(getvariable('lake') || '/gold/daily_active_users/_delta_log/*.json', format = 'newline_delimited', filename = true, columns = {
  add: 'STRUCT(path VARCHAR)', remove: 'STRUCT(path VARCHAR)', txn: 'STRUCT(appId VARCHAR, version BIGINT)'});

-- The log of gold/conversion_rate_daily
SET VARIABLE checkpoints = (
  SELECT list_append(coalesce(list(file), []), getvariable('folder') || '/no-checkpoint.parquet')
  FROM glob(getvariable('lake') || '/gold/conversion_rate_daily/_delta_log/*.checkpoint*.parquet'));
CREATE OR REPLACE TEMP TABLE "log gold/conversion_rate_daily" AS
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT AS version, true AS is_checkpoint, true AS is_add,
  "add".path AS path, txn.appId AS app, txn.version AS app_version
FROM read_parquet(getvariable('checkpoints'), filename = true, union_by_name = true)
UNION ALL
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT, false, "add" IS NOT NULL,
  coalesce("add".path, remove.path), txn.appId, txn.version
FROM read_json(getvariable('lake') || '/gold/conversion_rate_daily/_delta_log/*.json', format = 'newline_delimited', filename = true, columns = {
  add: 'STRUCT(path VARCHAR)', remove: 'STRUCT(path VARCHAR)', txn: 'STRUCT(appId VARCHAR, version BIGINT)'});

-- The log of gold/events_per_source_daily
SET VARIABLE checkpoints = (
  SELECT list_append(coalesce(list(file), []), getvariable('folder') || '/no-checkpoint.parquet')
  FROM glob(getvariable('lake') || '/gold/events_per_source_daily/_delta_log/*.checkpoint*.parquet'));
CREATE OR REPLACE TEMP TABLE "log gold/events_per_source_daily" AS
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT AS version, true AS is_checkpoint, true AS is_add,
  "add".path AS path, txn.appId AS app, txn.version AS app_version
FROM read_parquet(getvariable('checkpoints'), filename = true, union_by_name = true)
UNION ALL
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT, false, "add" IS NOT NULL,
  coalesce("add".path, remove.path), txn.appId, txn.version
FROM read_json(getvariable('lake') || '/gold/events_per_source_daily/_delta_log/*.json', format = 'newline_delimited', filename = true, columns = {
  add: 'STRUCT(path VARCHAR)', remove: 'STRUCT(path VARCHAR)', txn: 'STRUCT(appId VARCHAR, version BIGINT)'});

-- The log of gold/purchases_per_page_daily
SET VARIABLE checkpoints = (
  SELECT list_append(coalesce(list(file), []), getvariable('folder') || '/no-checkpoint.parquet')
  FROM glob(getvariable('lake') || '/gold/purchases_per_page_daily/_delta_log/*.checkpoint*.parquet'));
CREATE OR REPLACE TEMP TABLE "log gold/purchases_per_page_daily" AS
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT AS version, true AS is_checkpoint, true AS is_add,
  "add".path AS path, txn.appId AS app, txn.version AS app_version
FROM read_parquet(getvariable('checkpoints'), filename = true, union_by_name = true)
UNION ALL
SELECT regexp_extract(filename, '([0-9]{20})\.', 1)::BIGINT, false, "add" IS NOT NULL,
  coalesce("add".path, remove.path), txn.appId, txn.version
FROM read_json(getvariable('lake') || '/gold/purchases_per_page_daily/_delta_log/*.json', format = 'newline_delimited', filename = true, columns = {
  add: 'STRUCT(path VARCHAR)', remove: 'STRUCT(path VARCHAR)', txn: 'STRUCT(appId VARCHAR, version BIGINT)'});

-- The files of a version: of the newest checkpoint before it, and of the commits since
CREATE OR REPLACE MACRO files_at(log, upto) AS TABLE
WITH start AS (
  SELECT coalesce(max(version) FILTER (WHERE is_checkpoint AND version <= coalesce(upto, version)), -1) AS first FROM query_table(log))
SELECT path FROM query_table(log), start
WHERE path IS NOT NULL AND version <= coalesce(upto, version) AND (CASE WHEN is_checkpoint THEN version = start.first ELSE version > start.first END)
GROUP BY path HAVING arg_max(is_add, version);

-- The newest version that a transaction of the log names
CREATE OR REPLACE MACRO named_by(log, prefix) AS TABLE
SELECT arg_max(app_version, version) AS version FROM query_table(log) WHERE starts_with(app, prefix);

-- all_bronze: rows of bronze/events
COPY (SELECT NULL::VARCHAR AS "event_id", NULL::BIGINT AS "user_id", NULL::VARCHAR AS "event_type", NULL::VARCHAR AS "page", NULL::TIMESTAMP WITH TIME ZONE AS "timestamp", NULL::VARCHAR AS "source", NULL::VARCHAR AS "kafka_topic", NULL::INTEGER AS "kafka_partition", NULL::BIGINT AS "kafka_offset", NULL::TIMESTAMP WITH TIME ZONE AS "kafka_timestamp", NULL::TIMESTAMP WITH TIME ZONE AS "ingested_at" WHERE false)
  TO (getvariable('folder') || '/no-rows.bronze.events.parquet') (FORMAT parquet);
SET VARIABLE upto = NULL;
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/bronze/events/' || url_decode(path)), []), getvariable('folder') || '/no-rows.bronze.events.parquet')
  FROM files_at('log bronze/events', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "all_bronze" AS
SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", regexp_extract(filename, 'event_date=([^/]+)/', 1)::DATE AS "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

-- bronze_events: rows of bronze/events
COPY (SELECT NULL::VARCHAR AS "event_id", NULL::BIGINT AS "user_id", NULL::VARCHAR AS "event_type", NULL::VARCHAR AS "page", NULL::TIMESTAMP WITH TIME ZONE AS "timestamp", NULL::VARCHAR AS "source", NULL::VARCHAR AS "kafka_topic", NULL::INTEGER AS "kafka_partition", NULL::BIGINT AS "kafka_offset", NULL::TIMESTAMP WITH TIME ZONE AS "kafka_timestamp", NULL::TIMESTAMP WITH TIME ZONE AS "ingested_at" WHERE false)
  TO (getvariable('folder') || '/no-rows.bronze.events.parquet') (FORMAT parquet);
SET VARIABLE upto = (SELECT version FROM named_by('log silver/events', 'batch/v2/bronze/events/'));
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/bronze/events/' || url_decode(path)), []), getvariable('folder') || '/no-rows.bronze.events.parquet')
  FROM files_at('log bronze/events', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "bronze_events" AS
SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", regexp_extract(filename, 'event_date=([^/]+)/', 1)::DATE AS "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

-- rejected: rows of bronze/rejected
COPY (SELECT NULL::BLOB AS "raw", NULL::BLOB AS "key", NULL::STRUCT("key" VARCHAR, "value" BLOB)[] AS "headers", NULL::VARCHAR[] AS "reasons", NULL::VARCHAR AS "kafka_topic", NULL::INTEGER AS "kafka_partition", NULL::BIGINT AS "kafka_offset", NULL::TIMESTAMP WITH TIME ZONE AS "kafka_timestamp", NULL::TIMESTAMP WITH TIME ZONE AS "ingested_at" WHERE false)
  TO (getvariable('folder') || '/no-rows.bronze.rejected.parquet') (FORMAT parquet);
SET VARIABLE upto = NULL;
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/bronze/rejected/' || url_decode(path)), []), getvariable('folder') || '/no-rows.bronze.rejected.parquet')
  FROM files_at('log bronze/rejected', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "rejected" AS
SELECT "raw", "key", "headers", "reasons", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

-- newest_silver: rows of silver/events
COPY (SELECT NULL::VARCHAR AS "event_id", NULL::BIGINT AS "user_id", NULL::VARCHAR AS "event_type", NULL::VARCHAR AS "page", NULL::TIMESTAMP WITH TIME ZONE AS "timestamp", NULL::VARCHAR AS "source", NULL::VARCHAR AS "kafka_topic", NULL::INTEGER AS "kafka_partition", NULL::BIGINT AS "kafka_offset", NULL::TIMESTAMP WITH TIME ZONE AS "kafka_timestamp", NULL::TIMESTAMP WITH TIME ZONE AS "ingested_at" WHERE false)
  TO (getvariable('folder') || '/no-rows.silver.events.parquet') (FORMAT parquet);
SET VARIABLE upto = NULL;
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/silver/events/' || url_decode(path)), []), getvariable('folder') || '/no-rows.silver.events.parquet')
  FROM files_at('log silver/events', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "newest_silver" AS
SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", regexp_extract(filename, 'event_date=([^/]+)/', 1)::DATE AS "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

-- quarantine: rows of silver/quarantine
COPY (SELECT NULL::VARCHAR AS "event_id", NULL::BIGINT AS "user_id", NULL::VARCHAR AS "event_type", NULL::VARCHAR AS "page", NULL::TIMESTAMP WITH TIME ZONE AS "timestamp", NULL::VARCHAR AS "source", NULL::VARCHAR AS "kafka_topic", NULL::INTEGER AS "kafka_partition", NULL::BIGINT AS "kafka_offset", NULL::TIMESTAMP WITH TIME ZONE AS "kafka_timestamp", NULL::TIMESTAMP WITH TIME ZONE AS "ingested_at", NULL::VARCHAR[] AS "reasons" WHERE false)
  TO (getvariable('folder') || '/no-rows.silver.quarantine.parquet') (FORMAT parquet);
SET VARIABLE upto = NULL;
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/silver/quarantine/' || url_decode(path)), []), getvariable('folder') || '/no-rows.silver.quarantine.parquet')
  FROM files_at('log silver/quarantine', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "quarantine" AS
SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", regexp_extract(filename, 'event_date=([^/]+)/', 1)::DATE AS "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at", "reasons"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

-- log = bronze + rejected: from the first offset to the last that landing has passed, each is there once
INSERT INTO audit
WITH landed AS (
  SELECT regexp_extract(app, '/([^/]+)/[0-9]+$', 1) AS topic, regexp_extract(app, '([0-9]+)$', 1)::INTEGER AS part, max(app_version) AS next
  FROM "log bronze/events" WHERE starts_with(app, 'landing/v1/') GROUP BY ALL),
places AS (
  SELECT kafka_topic, kafka_partition, kafka_offset FROM all_bronze
  UNION ALL SELECT kafka_topic, kafka_partition, kafka_offset FROM rejected)
SELECT 'log = bronze + rejected', 'bronze/events', 'partition ' || part, next - min(kafka_offset), count(*),
  (next - min(kafka_offset) - count(DISTINCT kafka_offset)) + (count(*) - count(DISTINCT kafka_offset))
FROM landed JOIN places ON kafka_topic = topic AND kafka_partition = part AND kafka_offset < next GROUP BY part, next;

-- bronze = silver + duplicates + quarantine: silver has the first valid delivery of each event, quarantine what is not valid
CREATE OR REPLACE TEMP TABLE first_deliveries AS
SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at" FROM bronze_events WHERE (not coalesce(event_id is null, true)
  and not coalesce(user_id is null, true)
  and not coalesce(event_type is null, true)
  and not coalesce(page is null, true)
  and not coalesce(timestamp is null, true)
  and not coalesce(source is null, true)
  and not coalesce(event_date is null, true)
  and not coalesce(kafka_timestamp is null, true)
  and not coalesce(event_id = '', false)
  and not coalesce(user_id <= 0, false)
  and not coalesce(event_type not in ('login', 'click', 'purchase', 'logout'), false)
  and not coalesce(page = '', false)
  and not coalesce(source not in ('web', 'mobile'), false)
  and not coalesce(timestamp < timestamp '1970-01-01 00:00:00+00', false)
  and not coalesce(timestamp > kafka_timestamp and timestamp > kafka_timestamp + interval '5' minute, false))
QUALIFY row_number() OVER (PARTITION BY event_date, event_id ORDER BY kafka_timestamp, kafka_partition, kafka_offset) = 1;
INSERT INTO audit
WITH expected AS (SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at" FROM first_deliveries), found AS (SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at" FROM "newest_silver"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'bronze = silver + duplicates + quarantine', 'silver/events', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;
INSERT INTO audit
WITH expected AS (SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at" FROM bronze_events WHERE NOT coalesce((not coalesce(event_id is null, true)
  and not coalesce(user_id is null, true)
  and not coalesce(event_type is null, true)
  and not coalesce(page is null, true)
  and not coalesce(timestamp is null, true)
  and not coalesce(source is null, true)
  and not coalesce(event_date is null, true)
  and not coalesce(kafka_timestamp is null, true)
  and not coalesce(event_id = '', false)
  and not coalesce(user_id <= 0, false)
  and not coalesce(event_type not in ('login', 'click', 'purchase', 'logout'), false)
  and not coalesce(page = '', false)
  and not coalesce(source not in ('web', 'mobile'), false)
  and not coalesce(timestamp < timestamp '1970-01-01 00:00:00+00', false)
  and not coalesce(timestamp > kafka_timestamp and timestamp > kafka_timestamp + interval '5' minute, false)), false)), found AS (SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at" FROM "quarantine"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'bronze = silver + duplicates + quarantine', 'silver/quarantine', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

-- silver_events: rows of silver/events
COPY (SELECT NULL::VARCHAR AS "event_id", NULL::BIGINT AS "user_id", NULL::VARCHAR AS "event_type", NULL::VARCHAR AS "page", NULL::TIMESTAMP WITH TIME ZONE AS "timestamp", NULL::VARCHAR AS "source", NULL::VARCHAR AS "kafka_topic", NULL::INTEGER AS "kafka_partition", NULL::BIGINT AS "kafka_offset", NULL::TIMESTAMP WITH TIME ZONE AS "kafka_timestamp", NULL::TIMESTAMP WITH TIME ZONE AS "ingested_at" WHERE false)
  TO (getvariable('folder') || '/no-rows.silver.events.parquet') (FORMAT parquet);
SET VARIABLE upto = (SELECT version FROM named_by('log gold/daily_active_users', 'batch/v2/silver/events/'));
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/silver/events/' || url_decode(path)), []), getvariable('folder') || '/no-rows.silver.events.parquet')
  FROM files_at('log silver/events', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "silver_events" AS
SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", regexp_extract(filename, 'event_date=([^/]+)/', 1)::DATE AS "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

-- gold_daily_active_users: rows of gold/daily_active_users
COPY (SELECT NULL::DATE AS "event_date", NULL::BIGINT AS "dau_count" WHERE false)
  TO (getvariable('folder') || '/no-rows.gold.daily_active_users.parquet') (FORMAT parquet);
SET VARIABLE upto = NULL;
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/gold/daily_active_users/' || url_decode(path)), []), getvariable('folder') || '/no-rows.gold.daily_active_users.parquet')
  FROM files_at('log gold/daily_active_users', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "gold_daily_active_users" AS
SELECT "event_date", "dau_count"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

INSERT INTO audit
WITH expected AS (SELECT "event_date", "dau_count" FROM (SELECT event_date, COUNT(DISTINCT user_id) AS dau_count
FROM silver_events
GROUP BY event_date)), found AS (SELECT * FROM "gold_daily_active_users"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'silver ⇒ gold', 'gold/daily_active_users', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

INSERT INTO audit
WITH expected AS (SELECT "event_date"::DATE AS "event_date", "dau_count"::BIGINT AS "dau_count" FROM read_parquet(getvariable('folder') || '/gold.daily_active_users.parquet')), found AS (SELECT * FROM "gold_daily_active_users"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'gold in Delta = gold in ClickHouse', 'gold.daily_active_users', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

INSERT INTO audit
WITH expected AS (SELECT "event_date"::DATE AS "event_date", "dau_count"::BIGINT AS "dau_count" FROM read_parquet(getvariable('folder') || '/serving.daily_active_users.parquet')), found AS (SELECT * FROM "gold_daily_active_users"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'gold in Delta = serving in ClickHouse', 'serving.daily_active_users', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

-- silver_events: rows of silver/events
COPY (SELECT NULL::VARCHAR AS "event_id", NULL::BIGINT AS "user_id", NULL::VARCHAR AS "event_type", NULL::VARCHAR AS "page", NULL::TIMESTAMP WITH TIME ZONE AS "timestamp", NULL::VARCHAR AS "source", NULL::VARCHAR AS "kafka_topic", NULL::INTEGER AS "kafka_partition", NULL::BIGINT AS "kafka_offset", NULL::TIMESTAMP WITH TIME ZONE AS "kafka_timestamp", NULL::TIMESTAMP WITH TIME ZONE AS "ingested_at" WHERE false)
  TO (getvariable('folder') || '/no-rows.silver.events.parquet') (FORMAT parquet);
SET VARIABLE upto = (SELECT version FROM named_by('log gold/conversion_rate_daily', 'batch/v2/silver/events/'));
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/silver/events/' || url_decode(path)), []), getvariable('folder') || '/no-rows.silver.events.parquet')
  FROM files_at('log silver/events', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "silver_events" AS
SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", regexp_extract(filename, 'event_date=([^/]+)/', 1)::DATE AS "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

-- gold_conversion_rate_daily: rows of gold/conversion_rate_daily
COPY (SELECT NULL::DATE AS "event_date", NULL::DOUBLE AS "conversion_rate", NULL::BIGINT AS "total_purchases", NULL::BIGINT AS "dau_count" WHERE false)
  TO (getvariable('folder') || '/no-rows.gold.conversion_rate_daily.parquet') (FORMAT parquet);
SET VARIABLE upto = NULL;
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/gold/conversion_rate_daily/' || url_decode(path)), []), getvariable('folder') || '/no-rows.gold.conversion_rate_daily.parquet')
  FROM files_at('log gold/conversion_rate_daily', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "gold_conversion_rate_daily" AS
SELECT "event_date", "conversion_rate", "total_purchases", "dau_count"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

INSERT INTO audit
WITH expected AS (SELECT "event_date", "conversion_rate", "total_purchases", "dau_count" FROM (SELECT event_date,
  CAST(COUNT(DISTINCT CASE WHEN event_type = 'purchase' THEN user_id END) AS DOUBLE)
    / COUNT(DISTINCT user_id) AS conversion_rate,
  COUNT(CASE WHEN event_type = 'purchase' THEN 1 END) AS total_purchases,
  COUNT(DISTINCT user_id) AS dau_count
FROM silver_events
GROUP BY event_date)), found AS (SELECT * FROM "gold_conversion_rate_daily"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'silver ⇒ gold', 'gold/conversion_rate_daily', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

INSERT INTO audit
WITH expected AS (SELECT "event_date"::DATE AS "event_date", "conversion_rate"::DOUBLE AS "conversion_rate", "total_purchases"::BIGINT AS "total_purchases", "dau_count"::BIGINT AS "dau_count" FROM read_parquet(getvariable('folder') || '/gold.conversion_rate_daily.parquet')), found AS (SELECT * FROM "gold_conversion_rate_daily"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'gold in Delta = gold in ClickHouse', 'gold.conversion_rate_daily', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

INSERT INTO audit
WITH expected AS (SELECT "event_date"::DATE AS "event_date", "conversion_rate"::DOUBLE AS "conversion_rate", "total_purchases"::BIGINT AS "total_purchases", "dau_count"::BIGINT AS "dau_count" FROM read_parquet(getvariable('folder') || '/serving.conversion_rate_daily.parquet')), found AS (SELECT * FROM "gold_conversion_rate_daily"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'gold in Delta = serving in ClickHouse', 'serving.conversion_rate_daily', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

-- silver_events: rows of silver/events
COPY (SELECT NULL::VARCHAR AS "event_id", NULL::BIGINT AS "user_id", NULL::VARCHAR AS "event_type", NULL::VARCHAR AS "page", NULL::TIMESTAMP WITH TIME ZONE AS "timestamp", NULL::VARCHAR AS "source", NULL::VARCHAR AS "kafka_topic", NULL::INTEGER AS "kafka_partition", NULL::BIGINT AS "kafka_offset", NULL::TIMESTAMP WITH TIME ZONE AS "kafka_timestamp", NULL::TIMESTAMP WITH TIME ZONE AS "ingested_at" WHERE false)
  TO (getvariable('folder') || '/no-rows.silver.events.parquet') (FORMAT parquet);
SET VARIABLE upto = (SELECT version FROM named_by('log gold/events_per_source_daily', 'batch/v2/silver/events/'));
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/silver/events/' || url_decode(path)), []), getvariable('folder') || '/no-rows.silver.events.parquet')
  FROM files_at('log silver/events', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "silver_events" AS
SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", regexp_extract(filename, 'event_date=([^/]+)/', 1)::DATE AS "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

-- gold_events_per_source_daily: rows of gold/events_per_source_daily
COPY (SELECT NULL::DATE AS "event_date", NULL::VARCHAR AS "source", NULL::BIGINT AS "event_count" WHERE false)
  TO (getvariable('folder') || '/no-rows.gold.events_per_source_daily.parquet') (FORMAT parquet);
SET VARIABLE upto = NULL;
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/gold/events_per_source_daily/' || url_decode(path)), []), getvariable('folder') || '/no-rows.gold.events_per_source_daily.parquet')
  FROM files_at('log gold/events_per_source_daily', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "gold_events_per_source_daily" AS
SELECT "event_date", "source", "event_count"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

INSERT INTO audit
WITH expected AS (SELECT "event_date", "source", "event_count" FROM (SELECT event_date, source, COUNT(*) AS event_count
FROM silver_events
GROUP BY event_date, source)), found AS (SELECT * FROM "gold_events_per_source_daily"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'silver ⇒ gold', 'gold/events_per_source_daily', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

INSERT INTO audit
WITH expected AS (SELECT "event_date"::DATE AS "event_date", "source"::VARCHAR AS "source", "event_count"::BIGINT AS "event_count" FROM read_parquet(getvariable('folder') || '/gold.events_per_source_daily.parquet')), found AS (SELECT * FROM "gold_events_per_source_daily"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'gold in Delta = gold in ClickHouse', 'gold.events_per_source_daily', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

INSERT INTO audit
WITH expected AS (SELECT "event_date"::DATE AS "event_date", "source"::VARCHAR AS "source", "event_count"::BIGINT AS "event_count" FROM read_parquet(getvariable('folder') || '/serving.events_per_source_daily.parquet')), found AS (SELECT * FROM "gold_events_per_source_daily"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'gold in Delta = serving in ClickHouse', 'serving.events_per_source_daily', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

-- silver_events: rows of silver/events
COPY (SELECT NULL::VARCHAR AS "event_id", NULL::BIGINT AS "user_id", NULL::VARCHAR AS "event_type", NULL::VARCHAR AS "page", NULL::TIMESTAMP WITH TIME ZONE AS "timestamp", NULL::VARCHAR AS "source", NULL::VARCHAR AS "kafka_topic", NULL::INTEGER AS "kafka_partition", NULL::BIGINT AS "kafka_offset", NULL::TIMESTAMP WITH TIME ZONE AS "kafka_timestamp", NULL::TIMESTAMP WITH TIME ZONE AS "ingested_at" WHERE false)
  TO (getvariable('folder') || '/no-rows.silver.events.parquet') (FORMAT parquet);
SET VARIABLE upto = (SELECT version FROM named_by('log gold/purchases_per_page_daily', 'batch/v2/silver/events/'));
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/silver/events/' || url_decode(path)), []), getvariable('folder') || '/no-rows.silver.events.parquet')
  FROM files_at('log silver/events', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "silver_events" AS
SELECT "event_id", "user_id", "event_type", "page", "timestamp", "source", regexp_extract(filename, 'event_date=([^/]+)/', 1)::DATE AS "event_date", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

-- gold_purchases_per_page_daily: rows of gold/purchases_per_page_daily
COPY (SELECT NULL::DATE AS "event_date", NULL::VARCHAR AS "page", NULL::BIGINT AS "purchase_count" WHERE false)
  TO (getvariable('folder') || '/no-rows.gold.purchases_per_page_daily.parquet') (FORMAT parquet);
SET VARIABLE upto = NULL;
SET VARIABLE files = (
  SELECT list_append(coalesce(list(getvariable('lake') || '/gold/purchases_per_page_daily/' || url_decode(path)), []), getvariable('folder') || '/no-rows.gold.purchases_per_page_daily.parquet')
  FROM files_at('log gold/purchases_per_page_daily', getvariable('upto')));
CREATE OR REPLACE TEMP TABLE "gold_purchases_per_page_daily" AS
SELECT "event_date", "page", "purchase_count"
FROM read_parquet(getvariable('files'), filename = true, union_by_name = true, hive_partitioning = false);

INSERT INTO audit
WITH expected AS (SELECT "event_date", "page", "purchase_count" FROM (SELECT event_date, page, COUNT(*) AS purchase_count
FROM silver_events
WHERE event_type = 'purchase'
GROUP BY event_date, page)), found AS (SELECT * FROM "gold_purchases_per_page_daily"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'silver ⇒ gold', 'gold/purchases_per_page_daily', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

INSERT INTO audit
WITH expected AS (SELECT "event_date"::DATE AS "event_date", "page"::VARCHAR AS "page", "purchase_count"::BIGINT AS "purchase_count" FROM read_parquet(getvariable('folder') || '/gold.purchases_per_page_daily.parquet')), found AS (SELECT * FROM "gold_purchases_per_page_daily"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'gold in Delta = gold in ClickHouse', 'gold.purchases_per_page_daily', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

INSERT INTO audit
WITH expected AS (SELECT "event_date"::DATE AS "event_date", "page"::VARCHAR AS "page", "purchase_count"::BIGINT AS "purchase_count" FROM read_parquet(getvariable('folder') || '/serving.purchases_per_page_daily.parquet')), found AS (SELECT * FROM "gold_purchases_per_page_daily"),
differing AS (
  (SELECT * FROM expected EXCEPT ALL SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT ALL SELECT * FROM expected))
SELECT 'gold in Delta = serving in ClickHouse', 'serving.purchases_per_page_daily', event_date::VARCHAR, sum(n_left), sum(n_right), sum(wrong) FROM (
  SELECT event_date, 1 AS n_left, 0 AS n_right, 0 AS wrong FROM expected
  UNION ALL SELECT event_date, 0, 1, 0 FROM found
  UNION ALL SELECT event_date, 0, 0, 1 FROM differing) GROUP BY event_date;

-- log = realtime: the ranges of offsets that rows of events_per_minute cover follow each other
INSERT INTO audit
SELECT 'log = realtime', 'realtime.events_per_minute', 'partition ' || kafka_partition,
  max(offset_to) - min(offset_from), sum(offset_to - offset_from), sum(CASE WHEN offset_from <> before THEN 1 ELSE 0 END)
FROM (
  SELECT *, lag(offset_to) OVER (PARTITION BY log_id, kafka_partition ORDER BY offset_from, offset_to) AS before
  FROM (SELECT DISTINCT log_id, kafka_partition, offset_from, offset_to
    FROM read_parquet(getvariable('folder') || '/realtime.events_per_minute.parquet')))
GROUP BY log_id, kafka_partition;

-- log = realtime: the ranges of offsets that rows of logins_per_source cover follow each other
INSERT INTO audit
SELECT 'log = realtime', 'realtime.logins_per_source', 'partition ' || kafka_partition,
  max(offset_to) - min(offset_from), sum(offset_to - offset_from), sum(CASE WHEN offset_from <> before THEN 1 ELSE 0 END)
FROM (
  SELECT *, lag(offset_to) OVER (PARTITION BY log_id, kafka_partition ORDER BY offset_from, offset_to) AS before
  FROM (SELECT DISTINCT log_id, kafka_partition, offset_from, offset_to
    FROM read_parquet(getvariable('folder') || '/realtime.logins_per_source.parquet')))
GROUP BY log_id, kafka_partition;

-- log = realtime: the ranges of offsets that rows of purchases_per_minute cover follow each other
INSERT INTO audit
SELECT 'log = realtime', 'realtime.purchases_per_minute', 'partition ' || kafka_partition,
  max(offset_to) - min(offset_from), sum(offset_to - offset_from), sum(CASE WHEN offset_from <> before THEN 1 ELSE 0 END)
FROM (
  SELECT *, lag(offset_to) OVER (PARTITION BY log_id, kafka_partition ORDER BY offset_from, offset_to) AS before
  FROM (SELECT DISTINCT log_id, kafka_partition, offset_from, offset_to
    FROM read_parquet(getvariable('folder') || '/realtime.purchases_per_minute.parquet')))
GROUP BY log_id, kafka_partition;

-- log = realtime: the ranges of offsets that rows of late_events cover follow each other
INSERT INTO audit
SELECT 'log = realtime', 'realtime.late_events', 'partition ' || kafka_partition,
  max(offset_to) - min(offset_from), sum(offset_to - offset_from), sum(CASE WHEN offset_from <> before THEN 1 ELSE 0 END)
FROM (
  SELECT *, lag(offset_to) OVER (PARTITION BY log_id, kafka_partition ORDER BY offset_from, offset_to) AS before
  FROM (SELECT DISTINCT log_id, kafka_partition, offset_from, offset_to
    FROM read_parquet(getvariable('folder') || '/realtime.late_events.parquet')))
GROUP BY log_id, kafka_partition;

FROM audit WHERE wrong <> 0 OR n_left <> n_right ORDER BY ALL;
