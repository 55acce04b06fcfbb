/** A process that cannot end in order is killed after ten seconds: each test waits for them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EndlessFile, type LakeProcesses, openLakeProcesses } from './lake-process.fixture.ts'

let processes: LakeProcesses
beforeAll(async () => {
  processes = await openLakeProcesses()
})
afterAll(() => processes[Symbol.asyncDispose]())

describe('the lake process', () => {
  it.concurrent('is killed within ten seconds where its own event loop stands still', async () => {
    const standStill = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'
    // Behind the listener of the command, and before anything that it has set going.
    const preload = `data:text/javascript,process.on('SIGTERM', () => process.nextTick(() => ${standStill}))`
    const child = spawn(process.execPath, ['--import', preload, processes.main, 'sql', '-'], {
      env: processes.environment,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    child.stdin.on('error', () => undefined)
    child.stdin.write(Buffer.alloc(1 << 20, ' '))
    await once(child.stdin, 'drain')

    child.kill('SIGTERM')

    const [, signal] = await once(child, 'exit')
    expect(signal).toBe('SIGKILL')
  })

  it.concurrent('is killed within ten seconds where the engine cannot be interrupted', async () => {
    await using endless = new EndlessFile(join(processes.home, 'uninterruptible'))
    const child = processes.start('sql', endless.query)
    await endless.isRead()

    child.kill('SIGTERM')

    const [code, signal] = await once(child, 'exit')
    expect([code, signal]).toEqual([null, 'SIGKILL'])
  }, 90_000)
})
