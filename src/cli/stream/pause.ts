/** `lake stream pause` and `lake stream resume`. */
import type { RunStore } from '../../lib/runs/run-store.ts'
import { readStreamStatus, type StageStatus } from '../../pipeline/platform/stream-status.ts'
import type { CommandLine } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import type { PausableStage } from './stream.ts'

/** How long the command waits to see the stage rest: a batch that is being written may take longer. */
const waitMs = 15_000
const lookMs = 250

interface Outcome {
  readonly stage: string
  readonly since: string
  readonly reason: string
  readonly processes: readonly Pick<StageStatus, 'host' | 'pid' | 'state'>[]
}

export async function pauseStages(
  stages: readonly PausableStage[],
  reason: string,
  cli: CommandLine,
): Promise<void> {
  const store = await cli.platform.runs()
  const outcomes: Outcome[] = []
  for (const stage of stages) {
    const pause = await store.stages.pause(stage, reason, { signal: cli.signal })
    outcomes.push({
      stage,
      since: new Date(pause.pausedMs).toISOString(),
      reason: pause.reason,
      processes: [],
    })
  }
  const settled = await processesOf(store, stages, 'paused', cli)
  const found = outcomes.map((outcome) => ({ ...outcome, processes: settled.get(outcome.stage) ?? [] }))
  await cli.result(found, () => found.map(pauseText).join('\n'))
  cli.requireFinished()
}

export async function resumeStages(stages: readonly PausableStage[], cli: CommandLine): Promise<void> {
  const store = await cli.platform.runs()
  const ended: { readonly stage: string; readonly wasPaused: boolean }[] = []
  for (const stage of stages) {
    const pause = await store.stages.resume(stage, { signal: cli.signal })
    ended.push({ stage, wasPaused: pause !== undefined })
  }
  const settled = await processesOf(store, stages, 'resumed', cli)
  const found = ended.map((each) => ({ ...each, processes: settled.get(each.stage) ?? [] }))
  await cli.result(found, () =>
    found
      .map(({ stage, wasPaused, processes }) =>
        wasPaused
          ? `${stage} is resumed${processes.length === 0 ? '; no process of it runs now' : ''}`
          : `${stage} was not paused`,
      )
      .join('\n'),
  )
  cli.requireFinished()
}

/** Waits until the living processes of the stages are as asked for, or for as long as the command waits. */
async function processesOf(
  store: RunStore,
  stages: readonly PausableStage[],
  wanted: 'paused' | 'resumed',
  { signal, platform }: CommandLine,
): Promise<ReadonlyMap<string, Outcome['processes']>> {
  const untilMs = performance.now() + waitMs
  for (;;) {
    const all = (await readStreamStatus(store, { signal })).stages.filter(({ state }) =>
      ['running', 'retrying', 'paused', 'stuck'].includes(state),
    )
    const living = all.filter(({ stage }) => (stages as readonly string[]).includes(stage))
    const isSo = living.every(
      ({ state }) => state === 'stuck' || (state === 'paused') === (wanted === 'paused'),
    )
    if (isSo || performance.now() > untilMs || signal.aborted) {
      return new Map(
        stages.map((stage) => [
          stage,
          living.filter((each) => each.stage === stage).map(({ host, pid, state }) => ({ host, pid, state })),
        ]),
      )
    }
    await platform.clock.sleep(lookMs, { signal }).catch(() => undefined)
  }
}

function pauseText({ stage, since, reason, processes }: Outcome): string {
  const line = `${stage} is paused since ${since}: ${printable(reason)}`
  if (processes.length === 0)
    return `${line}\n  no process of it runs now; one that is started waits until it is resumed`
  return [
    line,
    ...processes.map(({ host, pid, state }) =>
      state === 'paused'
        ? `  process ${pid} on ${host} rests`
        : `  process ${pid} on ${host} is still ${state}: it rests once its batch is written`,
    ),
  ].join('\n')
}
