/** `lake stream status`: one reading, or on a terminal one after the other. */
import { setTimeout as sleep } from 'node:timers/promises'
import { hintOf } from '../../hints/hints.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import { readStreamStatus, type StreamStatus } from '../../pipeline/platform/stream-status.ts'
import type { StageReading } from '../../pipeline/streaming/stage-reading.ts'
import type { CommandLine } from '../command-line.ts'
import { statusText } from './status-text.ts'

const redrawMs = 2_000

export async function showStatus(cli: CommandLine): Promise<void> {
  const store = await cli.platform.runs()
  if (cli.output.isTty && !cli.isJson) return await watch(store, cli)
  const status = await readStreamStatus(store, { signal: cli.signal })
  await cli.result(statusDocument(status), () => statusText(status, cli.output.look))
  if (!isHealthy(status)) cli.exitCode = 1
}

const isHealthy = ({ stages }: StreamStatus): boolean => stages.every((stage) => stage.isHealthy)

async function watch(store: RunStore, cli: CommandLine): Promise<void> {
  cli.isEndless = true
  const { signal, output } = cli
  while (!signal.aborted) {
    const status = await readStreamStatus(store, { signal })
    const at = new Date().toISOString().slice(0, 19).replace('T', ' ')
    // To the top, over what is there, and away with what is left below.
    const lines = `${at} UTC; Ctrl-C ends it\n\n${statusText(status, output.look)}`.split('\n')
    await output.write(`\u001b[H${lines.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`)
    await sleep(redrawMs, undefined, { signal }).catch(() => undefined)
  }
}

const isoOf = (ms: number | null | undefined): string | null =>
  ms === null || ms === undefined ? null : new Date(ms).toISOString()

function statusDocument({ stages, pauses }: StreamStatus): object {
  return {
    healthy: stages.every((stage) => stage.isHealthy),
    stages: stages.map(({ stage, state, isHealthy: healthy, host, pid, heardMs, silentMs, reading }) => ({
      stage,
      state,
      healthy,
      host,
      pid,
      heardAt: isoOf(heardMs),
      silentMs,
      ...(reading && readingDocument(reading, stage)),
    })),
    pauses: pauses.map(({ stage, pausedMs, reason }) => ({ stage, since: isoOf(pausedMs), reason })),
  }
}

function readingDocument(reading: StageReading, stage: string): object {
  const { problem, lastCommit } = reading
  return {
    startedAt: isoOf(reading.startedMs),
    quietMs: reading.quietMs,
    messagesPerSecond: reading.messagesPerSecond,
    messages: reading.messages,
    events: reading.events,
    rejected: reading.rejected,
    late: reading.late,
    partitions: reading.partitions.map(({ watermarkMs, ...partition }) => ({
      ...partition,
      watermark: isoOf(watermarkMs),
    })),
    watermark: isoOf(reading.watermarkMs),
    watermarkDelayMs: reading.watermarkDelayMs,
    lastCommit: lastCommit && { at: isoOf(lastCommit.atMs), version: lastCommit.version },
    inFlight: reading.inFlight,
    residentBytes: reading.residentBytes,
    failures: reading.failures,
    problem: problem && { ...problem, hint: hintOf(problem, { stage }) },
  }
}
