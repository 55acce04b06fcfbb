/** `lake alerts`: what is wrong now, and whether the webhook takes messages. */
import type { Command } from 'commander'
import { slackMessage } from '../../lib/alerts/slack-message.ts'
import { createWebhook } from '../../lib/alerts/webhook.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { CommandLine } from '../command-line.ts'
import { printable } from '../output/printable.ts'

export function addAlerts(program: Command, cli: CommandLine): void {
  const alerts = program
    .command('alerts')
    .summary('what is wrong now, and who is told')
    .description(
      '`lake schedule` and `lake up` look every 30 seconds for failed runs, red checks, books that do not balance, stale ' +
        'tables, and stages that have stopped or are behind. Each is told once in the log and, with ' +
        'ALERT_WEBHOOK_URL, by the webhook; and once more when it is over. What cannot be sent is sent later.',
    )
    .addHelpText('after', '\nExamples:\n  lake alerts list\n  lake alerts test')

  alerts
    .command('list')
    .description('The alerts that are open, the oldest first.')
    .addHelpText('after', '\nExamples:\n  lake alerts list\n  lake alerts list --json')
    .action(() => listAlerts(cli))

  alerts
    .command('test')
    .description('Sends a message to ALERT_WEBHOOK_URL, which may be given as ALERT_WEBHOOK_URL_FILE.')
    .addHelpText('after', '\nExamples:\n  lake alerts test')
    .action(() => testWebhook(cli))
}

async function listAlerts(cli: CommandLine): Promise<void> {
  const { alerts } = await cli.platform.runs()
  const open = await alerts.open({ signal: cli.signal })
  const { webhookUrl } = cli.config.alerts
  await cli.result(
    open.map(({ key, rule, summary, problem, next, openedMs, isTold, failures }) => ({
      key,
      rule,
      summary,
      problem,
      next,
      since: new Date(openedMs).toISOString(),
      isTold,
      failures,
    })),
    () =>
      open.length === 0
        ? 'no alerts are open'
        : open
            .map(({ summary, problem, next, openedMs, isTold }) => {
              const since = new Date(openedMs).toISOString()
              const unsent = webhookUrl !== undefined && !isTold ? ', not sent yet' : ''
              return `${printable(summary)} (since ${since}${unsent})\n  ${printable(problem)}\n  → ${printable(next)}`
            })
            .join('\n'),
  )
}

async function testWebhook(cli: CommandLine): Promise<void> {
  const { webhookUrl: url } = cli.config.alerts
  if (url === undefined) {
    throw new LakeError('CONFIG_INVALID', 'ALERT_WEBHOOK_URL: expected a webhook, got none', {
      details: { fault: 'no-webhook' },
    })
  }
  const webhook = createWebhook({ url, clock: cli.platform.clock, maxAttempts: 1 })
  const lines = ['Lakeshore can send alerts here.', 'Next: nothing, this was `lake alerts test`.']
  await webhook.send(slackMessage({ title: 'A test', lines }), { signal: cli.signal })
  await cli.result({ sent: true }, () => 'The webhook has taken a message')
}
