#!/bin/bash
# Starts the broker under a cluster id made with its data: landing keeps its place per cluster, so a broker
# whose volume was lost must not pass for the old one. The image's own default id is the same everywhere.
set -euo pipefail
data=${KAFKA_LOG_DIRS:?}
CLUSTER_ID=$(sed -n 's/^cluster\.id=//p' "$data/meta.properties" 2>/dev/null || true)
if [[ -z $CLUSTER_ID ]]; then
  CLUSTER_ID=$("${KAFKA_BIN:-/opt/kafka/bin}/kafka-storage.sh" random-uuid)
fi
export CLUSTER_ID
exec "${KAFKA_START:-/__cacert_entrypoint.sh}" "${KAFKA_RUN:-/etc/kafka/docker/run}"
