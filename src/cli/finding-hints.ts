/** What to do about each kind of problem that `lake doctor` finds. */

import { hintOf } from '../hints/hints.ts'
import { assertNever } from '../lib/base/errors.ts'
import type { Problem } from '../pipeline/platform/doctor.ts'

export function hintOfProblem(problem: Problem): string {
  switch (problem.kind) {
    case 'error':
      return hintOf(problem.error)
    case 'node-too-old':
      return `Install Node ${problem.least} or newer.`
    case 'home-open-to-others':
      return `chmod 700 ${problem.home}`
    case 'disk-low':
      return 'Free space, or move LAKE_HOME.'
    case 'producer-timestamps':
      return `Set message.timestamp.type=LogAppendTime on the topic ${problem.topic}.`
    case 'timestamp-type-unknown':
      return `Allow DescribeConfigs, or see that ${problem.topic} has message.timestamp.type=LogAppendTime.`
    case 'console-exposed':
      return 'Set CONSOLE_TOKEN or CONSOLE_TOKEN_FILE, or CONSOLE_HOST=127.0.0.1.'
    case 'clocks-differ':
      return 'Set both clocks by NTP: late and future events are judged by them.'
    case 'data-files-broken':
      return '`lake table verify TABLE` names each. Restore the file from a backup; `lake batch --full` makes silver and gold again.'
    case 'webhook-silent':
      return 'Correct ALERT_WEBHOOK_URL, or see that its receiver runs; `lake alerts test` sends a message.'
    case 'lineage-silent':
      return 'Correct OPENLINEAGE_URL, or see that the receiver runs. Runs go on without it.'
    default:
      return assertNever(problem, 'problem')
  }
}
