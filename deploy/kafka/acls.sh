#!/bin/bash
# Gives each stage its rights at the brokers, and no others. Made by npm run generate; docs/kafka-rights.md explains.
# KAFKA_ADMIN_CONFIG is a file of client settings of somebody who may alter rights; KAFKA_USER_LANDING and the like
# are the users of the stages.
set -euo pipefail
KAFKA_TOPIC=${KAFKA_TOPIC:-user-events}
allow() { # user operation resource name pattern
  "${KAFKA_BIN:-/opt/kafka/bin}/kafka-acls.sh" --bootstrap-server "${KAFKA_BROKERS:?}" \
    ${KAFKA_ADMIN_CONFIG:+--command-config "$KAFKA_ADMIN_CONFIG"} \
    --add --force --allow-principal "User:$1" --operation "$2" "$3" "$4" --resource-pattern-type "$5"
}

# lake produce
allow "${KAFKA_USER_PRODUCER:-lakeshore-producer}" WRITE --topic "$KAFKA_TOPIC" literal
# lake land
allow "${KAFKA_USER_LANDING:-lakeshore-landing}" READ --topic "$KAFKA_TOPIC" literal
allow "${KAFKA_USER_LANDING:-lakeshore-landing}" READ --group "lakeshore-landing" prefixed
allow "${KAFKA_USER_LANDING:-lakeshore-landing}" READ --group "lakeshore-read-at" prefixed
# lake realtime
allow "${KAFKA_USER_REALTIME:-lakeshore-realtime}" READ --topic "$KAFKA_TOPIC" literal
allow "${KAFKA_USER_REALTIME:-lakeshore-realtime}" READ --group "lakeshore-realtime" prefixed
allow "${KAFKA_USER_REALTIME:-lakeshore-realtime}" READ --group "lakeshore-read-at" prefixed
# lake schedule, lake batch, lake ledger, lake reconcile, lake trace
allow "${KAFKA_USER_BOOKS:-lakeshore-books}" READ --topic "$KAFKA_TOPIC" literal
allow "${KAFKA_USER_BOOKS:-lakeshore-books}" READ --group "lakeshore-ledger" prefixed
allow "${KAFKA_USER_BOOKS:-lakeshore-books}" READ --group "lakeshore-read-at" prefixed
# lake console, lake stream, lake alerts
allow "${KAFKA_USER_CONSOLE:-lakeshore-console}" READ --topic "$KAFKA_TOPIC" literal
allow "${KAFKA_USER_CONSOLE:-lakeshore-console}" READ --group "lakeshore-read-at" prefixed
# lake rejected replay
allow "${KAFKA_USER_REPLAY:-lakeshore-replay}" WRITE --topic "$KAFKA_TOPIC" literal
allow "${KAFKA_USER_REPLAY:-lakeshore-replay}" WRITE --transactional-id "lakeshore-replay-$KAFKA_TOPIC" literal
allow "${KAFKA_USER_REPLAY:-lakeshore-replay}" READ --topic "$KAFKA_TOPIC" literal
allow "${KAFKA_USER_REPLAY:-lakeshore-replay}" READ --group "lakeshore-replay" prefixed
# lake doctor
allow "${KAFKA_USER_DOCTOR:-lakeshore-doctor}" DESCRIBE --topic "$KAFKA_TOPIC" literal
allow "${KAFKA_USER_DOCTOR:-lakeshore-doctor}" DESCRIBE_CONFIGS --topic "$KAFKA_TOPIC" literal
