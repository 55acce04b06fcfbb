import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildModules } from '../base/built.fixture.ts'
import { isLakeError } from '../base/errors.ts'
import { acquireProcessLock } from './process-lock.ts'

let dir: string
const children: ChildProcess[] = []

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lake-lock-'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

/** A process of its own that takes the lock, says what came of it, and stays. */
async function lockInChild(path: string): Promise<{ child: ChildProcess; said: string }> {
  const built = await buildModules(['lib/sqlite/process-lock.ts'])
  const module = pathToFileURL(built.fileOf('lib/sqlite/process-lock.ts')).href
  const script = `import { acquireProcessLock } from ${JSON.stringify(module)}
    const outcome = await acquireProcessLock(${JSON.stringify(path)})
    console.log(outcome.kind)
    setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const said = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (bytes) => resolve(String(bytes).trim()))
    child.once('exit', (code) => reject(new Error(`child ended with ${code}`)))
  })
  return { child, said }
}

describe('acquireProcessLock(path)', () => {
  it('is held until it is disposed of, and names its holder', async () => {
    const path = join(dir, 'sub', 'lake.lock')

    const first = await acquireProcessLock(path)
    const second = await acquireProcessLock(path)
    if (first.kind === 'acquired') await first.lock[Symbol.asyncDispose]()
    const third = await acquireProcessLock(path)

    expect(first.kind).toBe('acquired')
    expect(second).toMatchObject({ kind: 'held', holder: { pid: process.pid } })
    expect(third.kind).toBe('acquired')
    if (third.kind === 'acquired') await third.lock[Symbol.asyncDispose]()
  })

  it('takes away nothing of the next holder of a replaced folder', async () => {
    const path = join(dir, 'lake.lock')
    const first = await acquireProcessLock(path)
    rmSync(dir, { recursive: true })
    const { child } = await lockInChild(path)

    if (first.kind === 'acquired') await first.lock[Symbol.asyncDispose]()

    expect(await acquireProcessLock(path)).toMatchObject({ kind: 'held', holder: { pid: child.pid } })
  })

  it('is let go when its process is killed with SIGKILL', async () => {
    const path = join(dir, 'lake.lock')
    const { child, said } = await lockInChild(path)
    const whileItLives = await acquireProcessLock(path)

    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    const afterwards = await acquireProcessLock(path)

    expect(said).toBe('acquired')
    expect(whileItLives).toMatchObject({ kind: 'held', holder: { pid: child.pid } })
    expect(afterwards.kind).toBe('acquired')
    if (afterwards.kind === 'acquired') await afterwards.lock[Symbol.asyncDispose]()
  })

  it('goes to exactly one of several processes that start at once', async () => {
    const path = join(dir, 'lake.lock')

    const outcomes = await Promise.all([lockInChild(path), lockInChild(path), lockInChild(path)])

    expect(outcomes.map(({ said }) => said).sort()).toEqual(['acquired', 'held', 'held'])
  })

  it('refuses a place where it cannot write, by name', async () => {
    const file = join(dir, 'file')
    writeFileSync(file, '')
    chmodSync(file, 0o400)

    await expect(acquireProcessLock(join(file, 'lake.lock'))).rejects.toSatisfy(
      (error) => isLakeError(error, 'FILE_UNWRITABLE') && error.message.includes(file),
    )
  })

  it.runIf(process.platform === 'linux')('says so, and ends, where no folder can be', async () => {
    await expect(acquireProcessLock('/proc/none/below/lake.lock')).rejects.toSatisfy(
      (error) => isLakeError(error, 'FILE_UNWRITABLE') && error.message.includes('/proc/none/below'),
    )
  })
})
