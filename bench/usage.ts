/** What work takes of the process that does it; a process of its own has no other memory. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface Usage {
  readonly seconds: number
  readonly cpuSeconds: number
  /** The most that the process held. */
  readonly rssBytes: number
  /** Of the embedded ClickHouse, where it has a part in the work. */
  readonly serverCpuSeconds?: number
}

/** On stdout, for `usageOf`. Loading the code before is not counted. */
export async function printUsage(
  work: () => Promise<void>,
  ofServer: () => Promise<Pick<Usage, 'serverCpuSeconds'>> = async () => ({}),
): Promise<void> {
  const startedMs = performance.now()
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  const usage: Usage = {
    seconds: (performance.now() - startedMs) / 1000,
    cpuSeconds: (user + system) / 1e6,
    rssBytes: process.resourceUsage().maxRSS * 1024,
    ...(await ofServer()),
  }
  console.log(JSON.stringify(usage))
}

/** Runs a program of this folder that prints its usage. */
export async function usageOf(
  program: string,
  parameters: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<Usage> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', join(import.meta.dirname, program), ...parameters],
    { env: { ...process.env, ...environment } },
  )
  return JSON.parse(stdout) as Usage
}
