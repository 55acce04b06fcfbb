/** `lake rejected replay`: rejected messages go back to the log, repaired. */
import { hostname, userInfo } from 'node:os'
import type { Command } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import type { Refused } from '../../pipeline/rejected/choose.ts'
import { type FixScript, loadFixScript } from '../../pipeline/rejected/fix-script.ts'
import {
  previewReplay,
  type ReplayContext,
  type ReplayPreview,
  type ReplayReport,
  replayLetters,
} from '../../pipeline/rejected/replay.ts'
import { positiveNumber, wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { printableBytes } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'
import { type FilterFlags, filterOf, lettersContext, withFilter } from './filter.ts'

interface ReplayFlags extends FilterFlags {
  readonly fix?: string
  readonly limit?: number
  readonly rate?: number
  readonly note?: string
  readonly dryRun?: boolean
  readonly acceptDoubt?: boolean
}

const [defaultLimit, defaultRate] = [1_000, 100]
/** So many messages are named, and the others counted. */
const named = 20
const previewLength = 60
/** Bytes of a preview before the first that differs. */
const shownBefore = 20

export function addReplay(rejected: Command, cli: CommandLine): void {
  const replay = rejected
    .command('replay')
    .summary('back to the log, repaired')
    .description(
      'Sends rejected messages to the topic again, the oldest first, each once: one that was replayed is not replayed ' +
        'again, also after a kill. The default export of SCRIPT (TypeScript or JavaScript) takes a message, `{ text, value, ' +
        'key, headers, reasons, topic, partition, offset, timestamp }`, and returns its new value as text or bytes, or ' +
        '`{ value, key, headers }`, or undefined to leave it. What would be rejected or quarantined again is not sent, ' +
        'but listed with its reasons, and the exit code is 1.',
    )
    .option('--fix <script>', 'repair each message; without it, those are sent that the rules take by now')
  withFilter(replay)
    .option(
      '--limit <number>',
      `send at most so many (default: ${defaultLimit})`,
      wholeNumber({ min: 1, max: 1_000_000 }),
    )
    .option('--rate <number>', `send at most so many a second (default: ${defaultRate})`, positiveNumber)
    .option('--note <text>', 'why, for the record: `lake rejected replays` shows it')
    .option('--dry-run', 'show what would be sent, and send nothing')
    .option(
      '--accept-doubt',
      'send again what a killed replay may have sent, where retention has taken the log that would tell',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  lake rejected replay --fix fix.ts --dry-run\n' +
        '  lake rejected replay --fix fix.ts --reason timestamp_not_iso_8601 --note "shop 4.2 sent local times"',
    )
    .action((flags: ReplayFlags) => runReplay(flags, cli))
}

async function runReplay(flags: ReplayFlags, cli: CommandLine): Promise<void> {
  const {
    limit = defaultLimit,
    rate = defaultRate,
    fix,
    note = '',
    dryRun = false,
    acceptDoubt = false,
  } = flags
  const { signal, terminal } = cli
  const script = fix === undefined ? undefined : await loadFixScript(fix)
  const context = await replayContext(cli)
  const request = { filter: filterOf(flags, cli), ...(script && { script }), limit }
  if (dryRun) {
    const preview = await previewReplay(context, request, { signal })
    await cli.result(previewDocument(preview), () => describePreview(preview))
    if (preview.refused.length > 0) cli.exitCode = 1
    return
  }
  const report = await replayLetters(
    context,
    {
      ...request,
      perSecond: rate,
      actor: actorName(),
      note,
      acceptDoubt,
      onProgress: (sent) => terminal.progress(() => `replayed ${countOf(sent, 'message')}`),
    },
    { signal },
  )
  await cli.result(document(report), () => describe(report, script))
  if (report.refused.length > 0 || report.settled.doubtful.length > 0) cli.exitCode = 1
}

async function replayContext(cli: CommandLine): Promise<ReplayContext> {
  const { platform } = cli
  return {
    ...(await lettersContext(cli)),
    log: await platform.log(),
    store: await platform.runs(),
    clock: platform.clock,
    logger: platform.logger,
  }
}

function actorName(): string {
  try {
    return `${userInfo().username} on ${hostname()}`
  } catch {
    // A user without a name: a container may run under any number.
    return `user ${process.getuid?.() ?? '?'} on ${hostname()}`
  }
}

const placeText = ({ partition, offset }: { readonly partition: number; readonly offset: bigint }): string =>
  `${partition}/${offset}`

const refusedDocument = (refused: readonly Refused[]): object => ({
  count: refused.length,
  messages: refused.slice(0, named).map(({ letter: { partition, offset }, reasons }) => ({
    partition,
    offset,
    reasons,
  })),
})

function document({ replay, settled, sent, refused, left, isLimited }: ReplayReport): object {
  return {
    replay: replay ?? null,
    sent: sent.length,
    messages: sent.slice(0, named).map(({ from, to }) => ({
      partition: from.partition,
      offset: from.offset,
      to: { partition: to.partition, offset: to.offset },
    })),
    refused: refusedDocument(refused),
    left,
    limited: isLimited,
    settled: {
      confirmed: settled.confirmed,
      withdrawn: settled.withdrawn,
      doubtful: settled.doubtful.map(({ partition, offset }) => ({ partition, offset })),
    },
  }
}

function previewDocument({ ready, refused, left, isLimited }: ReplayPreview): object {
  return {
    dryRun: true,
    wouldSend: ready.length,
    messages: ready.slice(0, named).map(({ letter: { partition, offset, value }, message }) => ({
      partition,
      offset,
      raw: value,
      value: message.value,
    })),
    refused: refusedDocument(refused),
    left,
    limited: isLimited,
  }
}

function describe(report: ReplayReport, script: FixScript | undefined): string {
  const { replay, settled, sent, refused, left, isLimited } = report
  const counts = `${countOf(sent.length, 'message')} sent, ${refused.length} refused, ${left} left`
  const lines = [
    replay === undefined
      ? `nothing was sent; ${refused.length} refused, ${left} left`
      : `replay ${replay}: ${counts}`,
  ]
  if (settled.confirmed + settled.withdrawn > 0) {
    lines.unshift(
      `an earlier replay was cut short: ${settled.confirmed} of its messages had arrived, ${settled.withdrawn} had not`,
    )
  }
  if (settled.doubtful.length > 0) {
    lines.push(
      `${countOf(settled.doubtful.length, 'message')} of an earlier replay may be in the log or not, which no longer tells: ` +
        `${settled.doubtful.slice(0, named).map(placeText).join(' ')}; \`--accept-doubt\` sends them again, and silver keeps one of each event`,
    )
  }
  if (isLimited) lines.push('the limit was reached: run it again for more')
  if (sent.length > 0) {
    lines.push(
      drawTable(
        ['rejected', 'now at'],
        sent.slice(0, named).map(({ from, to }) => [placeText(from), placeText(to)]),
      ),
    )
  }
  return [...lines, ...refusedLines(refused, script !== undefined)].join('\n')
}

function describePreview({ ready, refused, left, isLimited }: ReplayPreview): string {
  const lines = [
    `would send ${countOf(ready.length, 'message')}; ${refused.length} refused, ${left} left${isLimited ? '; the limit is reached' : ''}`,
  ]
  if (ready.length > 0) {
    lines.push(
      drawTable(
        ['rejected', 'was', 'becomes'],
        ready.slice(0, named).map(({ letter, message }) => {
          const from = changeStart(letter.value, message.value)
          return [placeText(letter), previewOf(letter.value, from), previewOf(message.value, from)]
        }),
      ),
    )
  }
  return [...lines, ...refusedLines(refused, true)].join('\n')
}

/** Where a preview begins. */
function changeStart(was: Uint8Array | null, becomes: Uint8Array | null): number {
  if (was === null || becomes === null) return 0
  const same = was.findIndex((byte, at) => byte !== becomes[at])
  let from = Math.max(0, (same < 0 ? was.length : same) - shownBefore)
  // Never within a character.
  while (from > 0 && ((was[from] ?? 0) & 0xc0) === 0x80) from -= 1
  return from
}

function previewOf(value: Uint8Array | null, from: number): string {
  if (value === null) return '(no value)'
  return `${from > 0 ? '…' : ''}${printableBytes(value.subarray(from), previewLength)}`
}

function refusedLines(refused: readonly Refused[], hasScript: boolean): readonly string[] {
  if (refused.length === 0) return []
  return [
    drawTable(
      ['refused', 'reasons'],
      refused.slice(0, named).map(({ letter, reasons }) => [placeText(letter), reasons.join('; ')]),
    ),
    hasScript
      ? 'these would be rejected or quarantined again: correct the script, and run it again'
      : 'these would be rejected or quarantined again: a script repairs them, `--fix SCRIPT`',
  ]
}
