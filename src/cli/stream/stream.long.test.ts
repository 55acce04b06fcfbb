/** A pause of a process's stage, from another process and over a restart. */
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Ran } from '../cli.fixture.ts'
import { type LandingProcesses, openLandingProcesses, type Status, soon } from './landing-process.fixture.ts'

let processes: LandingProcesses
beforeAll(async () => {
  processes = await openLandingProcesses()
})
afterEach(() => processes.end())
afterAll(() => processes[Symbol.asyncDispose]())

const produce = (count: number): Promise<Ran> =>
  processes.home.lake('produce', '--count', String(count), '--eps', '10000')

async function landed(): Promise<number> {
  const { stdout } = await processes.home.lake(
    'sql',
    'select count(*)::int as n from bronze.events',
    '--format',
    'json',
  )
  return (JSON.parse(stdout) as readonly { readonly n: number }[])[0]?.n ?? 0
}

const lagOf = ({ partitions }: Pick<Status['stages'][number], 'partitions'>): number | null =>
  partitions.reduce<number | null>(
    (sum, { lagMessages }) => (sum === null || lagMessages === null ? null : sum + lagMessages),
    0,
  )

describe('lake stream', () => {
  it('pauses a stage of another process without loss, over a restart, until it is resumed', async () => {
    await produce(100)
    const first = processes.land()
    await vi.waitFor(
      async () => expect(await processes.landing()).toMatchObject({ state: 'running', messages: 100 }),
      soon,
    )

    const paused = await processes.home.lake(
      'stream',
      'pause',
      'landing',
      '--reason',
      'the bucket moves',
      '--json',
    )
    await produce(50)
    await vi.waitFor(async () => expect(lagOf(await processes.landing())).toBe(50), soon)
    const during = { ...(await processes.landing()), rows: await landed() }
    first.kill('SIGTERM')
    const [exitCode] = await once(first, 'exit')
    const second = processes.land()
    await vi.waitFor(
      async () => expect(await processes.landing()).toMatchObject({ state: 'paused', pid: second.pid }),
      soon,
    )
    const afterRestart = await landed()
    const drained = await processes.home.lake('land', '--drain')
    const afterDrain = await processes.home.lake('stream', 'status', '--json')
    const resumed = await processes.home.lake('stream', 'resume', 'landing')
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
})
