/** Streaming stages in processes of their own, seen from another one. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { openCliHome } from '../cli.fixture.ts'
import { type LandingProcesses, openLandingProcesses, type Status, soon } from './landing-process.fixture.ts'

let processes: LandingProcesses
beforeAll(async () => {
  processes = await openLandingProcesses()
})
afterEach(() => processes.end())
afterAll(() => processes[Symbol.asyncDispose]())

describe('lake stream', () => {
  it('shows a stage that was killed as gone at once, exit code 1, until another takes its place', async () => {
    const first = processes.land()
    await vi.waitFor(
      async () =>
        expect(await processes.landing()).toMatchObject({ state: 'running', pid: first.pid, exitCode: 0 }),
      soon,
    )
    first.kill('SIGKILL')
    await once(first, 'exit')

    const gone = await processes.landing()
    const { stdout } = await processes.home.lake('stream', 'status')
    const second = processes.land()
    await vi.waitFor(
      async () =>
        expect(await processes.landing()).toMatchObject({ state: 'running', pid: second.pid, exitCode: 0 }),
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
    const { exitCode, stderr } = await processes.home.lake('stream', 'pause', 'producer')

    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/landing.*realtime/)
  })
})
