/** `lake produce`: events into the log, or into a file of lines. */
import { randomInt } from 'node:crypto'
import { type Command, Option } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type {
  EventsReport,
  ProduceIo,
  ProduceOptions,
  ProduceReport,
} from '../../pipeline/producer/produce.ts'
import { type ProfileName, profileNames } from '../../pipeline/producer/profile.ts'
import type { MessageSink } from '../../pipeline/producer/sink.ts'
import { fraction, isoTime, positiveNumber, wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { runLoneStage } from '../lone-stage.ts'

interface Flags {
  readonly eps?: number
  readonly count?: number
  readonly seed?: number
  readonly historyDays?: number
  readonly until?: number
  readonly late?: number
  readonly duplicate?: number
  readonly malformed?: number
  readonly profile?: ProfileName
  readonly out?: string
  readonly from?: string
  readonly ledger?: string
}

const defaultHistoryCount = 100_000
const seeds = { min: 0, max: Number.MAX_SAFE_INTEGER }

export function addProduce(program: Command, cli: CommandLine): void {
  program
    .command('produce')
    .summary('send events to the log')
    .description(
      'Sends events to the log: at a steady rate until stopped, so many with --count, or a past with ' +
        '--history-days, at full speed. The same --seed, options and --until give the same bytes.',
    )
    .option('--eps <number>', 'events per second (default: EVENTS_PER_SECOND)', positiveNumber)
    .option('--count <number>', 'stop after so many messages (history: 100000)', wholeNumber())
    .option('--seed <number>', 'whole number; without it a fresh one is taken and shown', wholeNumber(seeds))
    .option('--history-days <number>', 'spread the events over so many past days', wholeNumber({ min: 1 }))
    .option('--until <time>', 'where history ends (default: 00:00 UTC today)', isoTime)
    .option('--late <fraction>', 'share of events that come too late', fraction)
    .option('--duplicate <fraction>', 'share of messages that repeat an event', fraction)
    .option('--malformed <fraction>', 'share of messages that will be rejected or quarantined', fraction)
    .addOption(new Option('--profile <name>', 'what the users do (default: web)').choices(profileNames))
    .option('--out <file>', 'write lines (NDJSON) to the file instead of sending; - is stdout')
    .option('--from <file>', 'send each line of the file unchanged; - is stdin')
    .option('--ledger <file>', 'write what was truly sent, as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  lake produce --eps 50\n' +
        '  lake produce --count 200000 --seed 7 --history-days 3 --late 0.03 --ledger ledger.json\n' +
        '  lake produce --history-days 1 --out events.ndjson\n' +
        '  lake produce --from events.ndjson',
    )
    .action((flags: Flags) => (flags.from === undefined ? produceEvents(flags, cli) : sendLines(flags, cli)))
}

async function produceEvents(flags: Flags, cli: CommandLine): Promise<void> {
  const options = produceOptions(flags, cli)
  cli.isEndless = options.plan.kind === 'live' && options.plan.count === undefined
  const { produce } = await import('../../pipeline/producer/produce.ts')
  cli.terminal.line(`seed ${options.seed}`)
  const send = (onSent?: (sent: number) => void): Promise<ProduceReport> =>
    withSink(flags.out, cli, (sink) => produce(sink, options, ioOf(cli, onSent)))
  const report =
    cli.isEndless && flags.out === undefined
      ? await runLoneStage(cli, 'producer', ({ observer }) => send((sent) => observer.sent(sent)))
      : await send()
  await tell(report, flags, cli)
  if (!cli.isEndless && report.end === 'stopped') cli.requireFinished()
}

/** What `--from` allows beside it. */
const beside = ['from', 'out', 'json', 'debug']

async function sendLines(flags: Flags, cli: CommandLine): Promise<void> {
  const others = Object.keys(flags).filter((name) => !beside.includes(name))
  if (others.length > 0) {
    const names = others.map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)
    throw new LakeError(
      'USAGE',
      `produce --from: expected no ${names.join(', ')}: lines are sent as they stand`,
    )
  }
  const [{ produceLines }, { readLines }] = await Promise.all([
    import('../../pipeline/producer/produce.ts'),
    import('../../pipeline/producer/lines.ts'),
  ])
  const lines = readLines(flags.from ?? '-', { signal: cli.signal })
  const report = await withSink(flags.out, cli, (sink) => produceLines(sink, lines, ioOf(cli)))
  await tell(report, flags, cli)
  if (report.end === 'stopped') cli.requireFinished()
}

function produceOptions(flags: Flags, cli: CommandLine): ProduceOptions {
  const { seed = randomInt(2 ** 32), ledger, profile, late, duplicate, malformed } = flags
  return {
    seed,
    plan: planOf(flags, cli),
    ...(ledger !== undefined && { ledgerPath: ledger }),
    ...(profile !== undefined && { profile }),
    ...(late !== undefined && { late }),
    ...(duplicate !== undefined && { duplicate }),
    ...(malformed !== undefined && { malformed }),
  }
}

function planOf({ historyDays, until, count, eps }: Flags, cli: CommandLine): ProduceOptions['plan'] {
  if (historyDays === undefined) {
    if (until !== undefined)
      throw new LakeError('USAGE', 'produce --until: expected --history-days beside it')
    const eventsPerSecond = eps ?? cli.config.eventsPerSecond
    return { kind: 'live', eventsPerSecond, ...(count !== undefined && { count }) }
  }
  if (eps !== undefined) {
    throw new LakeError('USAGE', 'produce --eps: expected no --history-days: history is sent at full speed')
  }
  const untilMs = until ?? new Date().setUTCHours(0, 0, 0, 0)
  return { kind: 'history', days: historyDays, count: count ?? defaultHistoryCount, untilMs }
}

async function withSink<T>(
  out: string | undefined,
  cli: CommandLine,
  work: (sink: MessageSink) => Promise<T>,
): Promise<T> {
  if (out === undefined) return work(await cli.platform.log())
  if (out === '-') return work(stdoutSink(cli))
  return await intoFile(await import('../../pipeline/producer/lines.ts'), out, work)
}

/** A function of its own: in one with `using`, tsc does not rewrite the path of an import. */
async function intoFile<T>(
  { openLineSink }: typeof import('../../pipeline/producer/lines.ts'),
  path: string,
  work: (sink: MessageSink) => Promise<T>,
): Promise<T> {
  await using sink = await openLineSink(path)
  return await work(sink)
}

function stdoutSink({ output }: CommandLine): MessageSink {
  return {
    append: async (messages) => {
      const end = Buffer.from('\n')
      await output.write(Buffer.concat(messages.flatMap(({ value }) => [value ?? Buffer.alloc(0), end])))
    },
  }
}

function ioOf(cli: CommandLine, onSent: (sent: number) => void = () => undefined): ProduceIo {
  return {
    signal: cli.signal,
    logger: cli.platform.logger,
    onProgress: (sent, total) => {
      onSent(sent)
      cli.terminal.progress(() => `sent ${sent}${total === undefined ? '' : ` of ${total}`}`)
    },
  }
}

/** Where the lines themselves go to stdout, the report goes to stderr. */
async function tell(report: EventsReport | ProduceReport, { out }: Flags, cli: CommandLine): Promise<void> {
  const doubtful = report.uncertain > 0 ? `; ${report.uncertain} may be there twice` : ''
  const seed = 'seed' in report ? ` (seed ${report.seed})` : ''
  const target = out === undefined ? `to ${cli.config.topic}` : `to ${out}`
  const text = `${report.end === 'stopped' ? 'stopped: ' : ''}sent ${countOf(report.sent, 'message')} ${target}${seed}${doubtful}`
  if (out === '-') cli.terminal.line(text)
  else await cli.result(report, () => text)
}
