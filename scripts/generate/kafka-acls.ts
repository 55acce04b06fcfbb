/** `deploy/kafka/acls.sh` and `docs/kafka-rights.md`: the rights at the brokers, from their declaration. */
import type { KafkaRight } from '../../src/lib/eventlog/kafka/errors.ts'
import { kafkaRights, kafkaUsers, usersMean } from '../../src/pipeline/platform/kafka-rights.ts'

const topic = '$KAFKA_TOPIC'
const patternOf = ({ isPrefix }: KafkaRight): string => (isPrefix === true ? 'prefixed' : 'literal')

export function aclScript(): string {
  const lines = kafkaUsers.flatMap((user) => [
    `# ${usersMean[user].replaceAll('`', '')}`,
    ...kafkaRights(user, topic).map(
      (right) =>
        `allow "\${KAFKA_USER_${user.toUpperCase()}:-lakeshore-${user}}" ${right.operation} --${right.resource} "${right.name}" ${patternOf(right)}`,
    ),
  ])
  return `#!/bin/bash
# Gives each stage its rights at the brokers, and no others. Made by npm run generate; docs/kafka-rights.md explains.
# KAFKA_ADMIN_CONFIG is a file of client settings of somebody who may alter rights; KAFKA_USER_LANDING and the like
# are the users of the stages.
set -euo pipefail
KAFKA_TOPIC=\${KAFKA_TOPIC:-user-events}
allow() { # user operation resource name pattern
  "\${KAFKA_BIN:-/opt/kafka/bin}/kafka-acls.sh" --bootstrap-server "\${KAFKA_BROKERS:?}" \\
    \${KAFKA_ADMIN_CONFIG:+--command-config "$KAFKA_ADMIN_CONFIG"} \\
    --add --force --allow-principal "User:$1" --operation "$2" "$3" "$4" --resource-pattern-type "$5"
}

${lines.join('\n')}
`
}

export function rightsReference(): string {
  const rows = kafkaUsers.map((user) => {
    const rights = kafkaRights(user, '*topic*').map(
      (right) =>
        `${right.operation} on ${right.resource} ${right.name.replace('*topic*', '`KAFKA_TOPIC`')}${right.isPrefix === true ? '…' : ''}`,
    )
    return `| ${usersMean[user]} | ${rights.join('; ')} |`
  })
  return `# Rights at the brokers

Made by \`npm run generate\` from \`src/pipeline/platform/kafka-rights.ts\`. A test runs each stage on a broker with an authorizer:
with these rights it works, and without one of them it ends with exit code 2 and says which it lacks.

| who | needs |
|---|---|
${rows.join('\n')}

\`…\` stands for a prefixed pattern: a run with \`--drain\`, and one that reads a single message, takes a group of its own. READ and
WRITE include DESCRIBE. Give each stage a user of its own (\`KAFKA_USERNAME\`) and run \`deploy/kafka/acls.sh\` once, as somebody
who may alter rights. Make the topic before: a stage makes one that is missing only if it has CREATE on it, which none needs
otherwise. \`lake up\` does the work of all of them, and needs READ on group lakeshore-first-history… as well.
`
}
