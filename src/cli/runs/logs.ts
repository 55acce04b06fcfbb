/** `lake runs logs`: what the tasks of a run have said, while it is at work and ever after. */
import { type Command, Option } from 'commander'
import { LakeError } from '../../lib/base/errors.ts'
import {
  followedLines,
  type LogLevel,
  type LogLine,
  type LogLines,
  type LogQuery,
  lastLines,
  logLevels,
  logLines,
} from '../../lib/runs/log/log-lines.ts'
import type { RunWithAttempts } from '../../lib/runs/run.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { logRecordText } from '../output/log-text.ts'
import { printable } from '../output/printable.ts'
import { closeDead } from './close-dead.ts'

interface Flags {
  readonly attempt?: number
  readonly follow?: boolean
  readonly level?: LogLevel
  readonly search?: string
  readonly tail?: number
}

export function addLogs(runs: Command, cli: CommandLine): void {
  runs
    .command('logs')
    .description(
      'What the tasks of a run have said, in the order of time: also while it is at work, and after it was killed. As ' +
        '--json a record a line: `task`, `attempt`, `level`, `time`, `message`, and what else was told.',
    )
    .argument('<run>', 'its number, as in `lake runs list`', wholeNumber({ min: 1 }))
    .argument('[task]', 'this task alone')
    .option('--attempt <number>', 'this attempt at each task alone', wholeNumber({ min: 1 }))
    .option('-f, --follow', 'go on with what comes, until the run has ended')
    .addOption(new Option('--level <level>', 'this level and those above it').choices(logLevels))
    .option('--search <text>', 'only lines that hold this text, upper and lower case alike')
    .option('--tail <number>', 'the last lines alone', wholeNumber({ min: 1 }))
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  lake runs logs 12 --level warn\n' +
        '  lake runs logs 12 bronze_to_silver --attempt 2 --search "no answer"\n' +
        '  lake runs logs 13 -f',
    )
    .action((run: number, task: string | undefined, flags: Flags) => showLogs(run, task, flags, cli))
}

async function showLogs(
  id: number,
  task: string | undefined,
  { follow = false, tail, ...flags }: Flags,
  cli: CommandLine,
): Promise<void> {
  if (follow && tail !== undefined) throw new LakeError('USAGE', 'runs logs -f: expected no --tail beside it')
  const store = await cli.platform.runs()
  await closeDead(store.runs, cli)
  const { signal } = cli
  const run = await store.runs.show(id, { signal })
  requireTask(run, task, follow)
  const query = { ...flags, ...(task !== undefined && { node: task }) }
  if (follow) {
    await write(
      followedLines(store.logs, () => shown(store, id, cli), query, { signal }),
      cli,
    )
    return
  }
  const lines = logLines(store.logs, run, query, { signal })
  const count = await write(tail === undefined ? lines : only(await lastLines(lines, tail)), cli)
  if (count === 0) cli.terminal.line(emptyText(run, query))
}

/** A follower must see that a process was killed: nobody else may look. */
async function shown({ runs }: RunStore, id: number, cli: CommandLine): Promise<RunWithAttempts> {
  await closeDead(runs, cli)
  return runs.show(id, { signal: cli.signal })
}

async function* only(lines: readonly LogLine[]): LogLines {
  yield lines
}

/** Some lines are written together: a call for each would take longer than the reading. */
async function write(lines: LogLines, cli: CommandLine): Promise<number> {
  let count = 0
  const textOf = cli.isJson ? jsonText : logText
  for await (const some of lines) {
    if (some.length === 0) continue
    count += some.length
    await cli.output.write(`${some.map(textOf).join('\n')}\n`)
  }
  return count
}

function logText({ node, json }: LogLine): string {
  return logRecordText(json, { task: node }) ?? printable(`${node} ${json}`)
}

/** The record as it was kept: it is not parsed for this. The rest of one that was cut short is its message. */
function jsonText({ node, attempt, json }: LogLine): string {
  const place = `{"task":${JSON.stringify(node)},"attempt":${attempt},`
  return json.startsWith('{') && json.endsWith('}')
    ? place + json.slice(1)
    : `${place}"message":${JSON.stringify(json)}}`
}

function requireTask(
  { id, attempts, state }: RunWithAttempts,
  task: string | undefined,
  follow: boolean,
): void {
  if (task === undefined || attempts.some(({ node }) => node === task)) return
  // The tasks of a queued run are not planned yet.
  if (follow && state === 'queued') return
  const known = [...new Set(attempts.map(({ node }) => node))]
  const which = known.length === 0 ? 'it has none yet' : `it has ${known.join(', ')}`
  throw new LakeError('USAGE', `Run ${id}: there is no task ${task}; ${which}`)
}

function emptyText({ id, state, attempts }: RunWithAttempts, query: LogQuery): string {
  if (Object.keys(query).length > 0) return `run ${id}: no line matches`
  const hasBegun = attempts.some(({ startedMs }) => startedMs !== undefined)
  return hasBegun
    ? `run ${id}: no log is kept of it here`
    : `run ${id} is ${state}: no task has begun, so there is no log yet`
}
