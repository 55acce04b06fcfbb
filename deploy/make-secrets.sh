#!/usr/bin/env bash
# Makes what docker-compose.yml calls secrets, in deploy/secrets/; what is there stays as it is.
set -euo pipefail
cd "$(dirname "$0")"
# The folder keeps others out. The files are mounted one by one, for containers with users of their own.
mkdir -p -m 700 secrets

for name in clickhouse_password metadata_password mysql_root_password grafana_clickhouse_password grafana_admin_password \
  console_token; do
  if [[ ! -s secrets/$name ]]; then
    head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' > "secrets/.$name.new"
    chmod 444 "secrets/.$name.new"
    mv "secrets/.$name.new" "secrets/$name"
    echo "deploy/secrets/$name made"
  fi
done

# Only a lake in a bucket has this one: put the key in by hand.
[[ -e secrets/s3_secret_key ]] || install -m 644 /dev/null secrets/s3_secret_key
