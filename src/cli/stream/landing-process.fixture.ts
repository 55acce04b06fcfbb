/** `lake land` in processes of its own, and what another process sees of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { buildLake } from '../built.fixture.ts'
import { type CliHome, openCliHome } from '../cli.fixture.ts'

export interface Status {
  readonly healthy: boolean
  readonly stages: readonly {
    readonly stage: string
    readonly state: string
    readonly pid: number
    readonly messages: number
    readonly partitions: readonly { readonly lagMessages: number | null }[]
    readonly lastCommit: { readonly version: number } | null
    readonly problem: { readonly message: string; readonly hint: string } | null
  }[]
  readonly pauses: readonly { readonly stage: string }[]
}

export interface LandingProcesses extends AsyncDisposable {
  readonly home: CliHome
  /** Starts one more of them. */
  land(): ChildProcess
  /** The stage as `lake stream status` shows it. */
  landing(): Promise<Status['stages'][number] & { readonly exitCode: number }>
  /** Kills all of them, and resumes what was paused. */
  end(): Promise<void>
}

export async function openLandingProcesses(): Promise<LandingProcesses> {
  const main = await buildLake()
  const home = await openCliHome()
  const children = new Set<ChildProcess>()
  const end = async (): Promise<void> => {
    for (const child of children) {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    children.clear()
    await home.lake('stream', 'resume')
  }
  return {
    home,
    land: () => {
      const env = {
        PATH: '/usr/bin:/bin',
        LAKE_HOME: home.path,
        DUCKDB_THREADS: '1',
        LANDING_TRIGGER_SECONDS: '0.2',
      }
      const child = spawn(process.execPath, [main, 'land'], { env, stdio: 'ignore' })
      children.add(child)
      return child
    },
    landing: async () => {
      const { stdout, exitCode } = await home.lake('stream', 'status', '--json')
      const found = (JSON.parse(stdout) as Status).stages.find(({ stage }) => stage === 'landing')
      if (found === undefined) throw new Error(`no landing in ${stdout}`)
      return { ...found, exitCode }
    },
    end,
    [Symbol.asyncDispose]: async () => {
      await end()
      await home[Symbol.asyncDispose]()
    },
  }
}

export const soon = { timeout: 30_000, interval: 100 }
