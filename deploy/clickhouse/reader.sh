#!/bin/bash
# Run once by the image, when its volume is new: the user of the dashboards may read, and nothing else.
set -euo pipefail
reader_password=$(cat /run/secrets/grafana_clickhouse_password)
# By the environment: an argument would be seen in the list of processes.
CLICKHOUSE_PASSWORD=$(cat "$CLICKHOUSE_PASSWORD_FILE")
export CLICKHOUSE_PASSWORD
clickhouse client --user "$CLICKHOUSE_USER" --multiquery <<SQL
CREATE USER IF NOT EXISTS grafana IDENTIFIED WITH sha256_password BY '$reader_password';
GRANT SELECT ON realtime.* TO grafana;
GRANT SELECT ON gold.* TO grafana;
GRANT SELECT ON serving.* TO grafana;
SQL
