/** Streaming stages in processes of their own, seen and paused from another one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { buildLake } from '../built.fixture.ts'
import { type CliHome, openCliHome, type Ran } from '../cli.fixture.ts'

let main = ''
let home: CliHome
const children = new Set<ChildProcess>()

beforeAll(async () => {
  main = await buildLake()
  home = await openCliHome()
})
afterEach(async () => {
  for (const child of children) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  children.clear()
  await home.lake('stream', 'resume')
})
afterAll(() => home[Symbol.asyncDispose]())

function land(): ChildProcess {
  const env = {
    PATH: '/usr/bin:/bin',
    LAKE_HOME: home.path,
    DUCKDB_THREADS: '1',
    LANDING_TRIGGER_SECONDS: '0.2',
  }
  const child = spawn(process.execPath, [main, 'land'], { env, stdio: 'ignore' })
  children.add(child)
  return child
}

const produce = (count: number): Promise<Ran> =>
  home.lake('produce', '--count', String(count), '--eps', '10000')

interface Status {
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

async function landing(): Promise<Status['stages'][number] & { readonly exitCode: number }> {
  const { stdout, exitCode } = await home.lake('stream', 'status', '--json')
  const found = (JSON.parse(stdout) as Status).stages.find(({ stage }) => stage === 'landing')
  if (found === undefined) throw new Error(`no landing in ${stdout}`)
  return { ...found, exitCode }
}

async function landed(): Promise<number> {
  const { stdout } = await home.lake(
    'sql',
    'select count(*)::int as n from bronze.events',
    '--format',
    'json',
  )
  return (JSON.parse(stdout) as readonly { readonly n: number }[])[0]?.n ?? 0
}

const soon = { timeout: 30_000, interval: 100 }
const lagOf = ({ partitions }: Pick<Status['stages'][number], 'partitions'>): number | null =>
  partitions.reduce<number | null>(
    (sum, { lagMessages }) => (sum === null || lagMessages === null ? null : sum + lagMessages),
    0,
  )

describe('lake stream', () => {
  it('pauses a stage of another process without loss, over a restart, until it is resumed', async () => {
    await produce(100)
    const first = land()
    await vi.waitFor(
      async () => expect(await landing()).toMatchObject({ state: 'running', messages: 100 }),
      soon,
    )

    const paused = await home.lake('stream', 'pause', 'landing', '--reason', 'the bucket moves', '--json')
    await produce(50)
    await vi.waitFor(async () => expect(lagOf(await landing())).toBe(50), soon)
    const during = { ...(await landing()), rows: await landed() }
    first.kill('SIGTERM')
    const [exitCode] = await once(first, 'exit')
    const second = land()
    await vi.waitFor(
      async () => expect(await landing()).toMatchObject({ state: 'paused', pid: second.pid }),
      soon,
    )
    const afterRestart = await landed()
    const drained = await home.lake('land', '--drain')
    const afterDrain = await home.lake('stream', 'status', '--json')
    const resumed = await home.lake('stream', 'resume', 'landing')
    await vi.waitFor(async () => expect(await landed()).toBe(150), soon)

    expect(JSON.parse(paused.stdout)).toMatchObject([
      { stage: 'landing', reason: 'the bucket moves', processes: [{ pid: first.pid, state: 'paused' }] },
    ])
    expect(during).toMatchObject({
      state: 'paused',
      rows: 100,
      exitCode: 0,
      problem: { message: 'the bucket moves', hint: expect.stringContaining('lake stream resume landing') },
    })
    expect(exitCode).toBe(0)
    expect(afterRestart).toBe(100)
    expect(drained).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('lake stream resume landing'),
    })
    expect(JSON.parse(afterDrain.stdout)).toMatchObject({ healthy: true })
    expect(resumed.stdout).toBe('landing is resumed\n')
  }, 120_000)

  it('shows a stage that was killed as gone at once, exit code 1, until another takes its place', async () => {
    const first = land()
    await vi.waitFor(
      async () => expect(await landing()).toMatchObject({ state: 'running', pid: first.pid, exitCode: 0 }),
      soon,
    )
    first.kill('SIGKILL')
    await once(first, 'exit')

    const gone = await landing()
    const { stdout } = await home.lake('stream', 'status')
    const second = land()
    await vi.waitFor(
      async () => expect(await landing()).toMatchObject({ state: 'running', pid: second.pid, exitCode: 0 }),
      soon,
    )

    expect(gone).toMatchObject({ state: 'gone', pid: first.pid, exitCode: 1 })
    expect(stdout).toContain('Start it again')
  }, 120_000)

  it('says what is paused though no process of it runs, and that nothing has run in a new home', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'lakeshore-cli-'))
    await using fresh = await openCliHome({ LAKE_HOME: empty })
    const before = await fresh.lake('stream', 'status')
    const paused = await fresh.lake('stream', 'pause')
    const after = await fresh.lake('stream', 'status', '--json')
    const again = [await fresh.lake('stream', 'resume'), await fresh.lake('stream', 'resume')]
    await rm(empty, { recursive: true })

    expect(before).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('no stage has run yet') })
    expect(paused.stdout).toMatch(/^landing is paused since .*no process of it runs now.*realtime is paused/s)
    expect((JSON.parse(after.stdout) as Status).pauses.map(({ stage }) => stage)).toEqual([
      'landing',
      'realtime',
    ])
    expect(again.map(({ stdout }) => stdout.split('\n')[0])).toEqual([
      'landing is resumed; no process of it runs now',
      'landing was not paused',
    ])
  })

  it('refuses a stage that cannot be paused, and names those that can', async () => {
    const { exitCode, stderr } = await home.lake('stream', 'pause', 'producer')

    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/landing.*realtime/)
  })
})
