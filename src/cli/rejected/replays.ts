/** `lake rejected replays`: who replayed rejected messages, when, why, and where each of them is now. */
import type { Command } from 'commander'
import { formatJson } from '../../lib/base/json.ts'
import type { Replay, ReplayedMessage } from '../../lib/runs/replay/replay-book.ts'
import { existingRuns } from '../../pipeline/query/existing-runs.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { drawTable } from '../output/table-text.ts'

export function addReplays(rejected: Command, cli: CommandLine): void {
  rejected
    .command('replays')
    .summary('what was replayed, by whom and why')
    .description(
      'The replays of rejected messages, newest first; or one of them, with each message and where it is now.',
    )
    .argument('[replay]', 'its number', wholeNumber({ min: 1 }))
    .option('--limit <number>', 'at most so many (default: 20)', wholeNumber({ min: 1 }))
    .addHelpText('after', '\nExamples:\n  lake rejected replays\n  lake rejected replays 3 --json')
    .action((id: number | undefined, flags: { readonly limit?: number }) =>
      id === undefined ? listReplays(flags, cli) : showReplay(id, cli),
    )
}

async function listReplays({ limit = 20 }: { readonly limit?: number }, cli: CommandLine): Promise<void> {
  const { platform, signal } = cli
  const found = (await (await existingRuns(platform))?.replays.list({ limit }, { signal })) ?? []
  await cli.result(found.map(document), () =>
    found.length === 0
      ? 'nothing was replayed yet'
      : drawTable(
          ['replay', 'started', 'ended', 'who', 'why', 'outcome'],
          found.map(({ id, startedMs, endedMs, actor, note, outcome }) => [
            id,
            timeOf(startedMs),
            endedMs === undefined ? '' : timeOf(endedMs),
            actor,
            note,
            outcome === undefined ? '' : formatJson(outcome),
          ]),
        ),
  )
}

async function showReplay(id: number, cli: CommandLine): Promise<void> {
  const { replays } = await cli.platform.runs()
  const replay = await replays.show(id, { signal: cli.signal })
  const messages = await replays.messages({ topic: replay.topic, replay: id }, { signal: cli.signal })
  await cli.result({ ...document(replay), messages: messages.map(messageDocument) }, () =>
    [
      `replay ${id} of ${replay.topic}, by ${replay.actor}, ${timeOf(replay.startedMs)}`,
      `why: ${replay.note === '' ? '(no note)' : replay.note}`,
      `asked for: ${formatJson(replay.content)}`,
      drawTable(
        ['rejected', 'now at', 'when'],
        messages.map(({ from, to }) => [
          `${from.partition}/${from.offset}`,
          to === undefined ? 'not known yet: the next replay settles it' : `${to.partition}/${to.offset}`,
          to === undefined ? '' : timeOf(to.appendedMs),
        ]),
      ),
    ].join('\n'),
  )
}

const timeOf = (ms: number): string => new Date(ms).toISOString()

function document({ id, topic, actor, note, startedMs, endedMs, content, outcome }: Replay): object {
  return {
    replay: id,
    topic,
    actor,
    note,
    startedAt: timeOf(startedMs),
    endedAt: endedMs === undefined ? null : timeOf(endedMs),
    request: content,
    outcome: outcome ?? null,
  }
}

function messageDocument({ from, to }: ReplayedMessage): object {
  return {
    partition: from.partition,
    offset: from.offset,
    to: to === undefined ? null : { partition: to.partition, offset: to.offset, at: timeOf(to.appendedMs) },
  }
}
