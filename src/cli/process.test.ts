import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Child,
  EndlessFile,
  type LakeProcesses,
  openLakeProcesses,
  says,
} from './lake-process.fixture.ts'

let processes: LakeProcesses
beforeAll(async () => {
  processes = await openLakeProcesses()
})
afterAll(() => processes[Symbol.asyncDispose]())

async function textOf(stream: Readable | null): Promise<string> {
  return stream === null ? '' : text(stream)
}

async function exitCode(child: Child): Promise<unknown> {
  const [code] = await once(child, 'exit')
  return code
}

describe('the lake process', () => {
  it('writes JSON alone on stdout, and exits 0', async () => {
    const child = processes.start('produce', '--count', '20', '--history-days', '1', '--json')

    const [stdout, code] = await Promise.all([text(child.stdout), exitCode(child)])

    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ sent: 20 })
  })

  it('exits 2 where the command is none', async () => {
    const child = processes.start('lnad')

    const [stdout, stderr, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      exitCode(child),
    ])

    expect({ stdout, code }).toEqual({ stdout: '', code: 2 })
    expect(stderr).toContain('Did you mean land?')
  })

  it('loads the engines that its command works with, and no others', async () => {
    const child = processes.start('produce', '--eps', '100')
    await says(child, /seed \d+/)

    const files = await readFile(`/proc/${child.pid}/maps`, 'utf8')

    child.kill('SIGKILL')
    expect(files).not.toMatch(/duckdb|chdb/)
  })

  it('ends quietly when nobody reads stdout any more', async () => {
    const child = processes.start('sql', 'select * from range(100000000)', '--json')

    const [stderr, code] = await Promise.all([
      text(child.stderr),
      exitCode(child),
      once(child.stdout, 'data').then(() => child.stdout.destroy()),
    ])

    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  })

  it('exits 2 and says so where stdout is a file on a full disk', async () => {
    await using full = await open('/dev/full', 'w')
    const child = spawn(process.execPath, [processes.main, 'runs', 'list', '--json'], {
      env: processes.environment,
      stdio: ['ignore', full.fd, 'pipe'],
    })

    const [words, [code]] = await Promise.all([textOf(child.stderr), once(child, 'exit')])

    expect(code).toBe(2)
    expect(words).toMatch(/^lake: write stdout: .*ENOSPC.*\n {2}→ Free space/)
  })

  it('ends when it is asked to although nobody takes what it writes', async () => {
    const child = processes.start('sql', 'select * from range(100000000)', '--json')
    await once(child.stdout, 'readable')

    child.kill('SIGTERM')

    expect(await exitCode(child)).toBe(130)
  })

  it('ends when it is asked to while it waits for a statement on stdin', async () => {
    const child = spawn(process.execPath, [processes.main, 'sql', '-'], {
      env: processes.environment,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    // More than a pipe holds: it drains when the command reads.
    child.stdin.write(Buffer.alloc(1 << 20, ' '))
    await once(child.stdin, 'drain')

    child.kill('SIGTERM')

    const [code] = await once(child, 'exit')
    expect(code).toBe(130)
  })

  it('ends in order where one Ctrl-C comes by several ways', async () => {
    const child = processes.start('produce', '--eps', '100', '--json')
    await says(child, /seed \d+/)

    child.kill('SIGINT')
    child.kill('SIGTERM')

    const [stdout, code] = await Promise.all([text(child.stdout), exitCode(child)])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ end: 'stopped' })
  })

  it.concurrent.each([
    'SIGTERM',
    'SIGINT',
  ] as const)('ends at once when it is asked again by %s', async (signal) => {
    await using endless = new EndlessFile(join(processes.home, signal))
    const child = processes.start('sql', endless.query)
    await endless.isRead()
    child.kill(signal)
    const words = says(child, /ended before its work was done/)
    const again = setInterval(() => child.kill(signal), 600)

    const [[code, by]] = await Promise.all([once(child, 'exit'), words])

    clearInterval(again)
    expect(code === null ? by : code).toBe('SIGKILL')
  })

  it.concurrent.each([
    {
      of: 'ClickHouse',
      variable: 'CLICKHOUSE_URL',
      scheme: 'http',
      argv: ['sql', '--engine', 'clickhouse', 'select 1'],
    },
    { of: 'the run store', variable: 'METADATA_URL', scheme: 'mysql', argv: ['runs', 'list'] },
    { of: 'Kafka', variable: 'KAFKA_BROKERS', scheme: '', argv: ['produce', '--count', '1'] },
  ])('ends in order where $of takes the connection and never answers', async ({ variable, scheme, argv }) => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = `127.0.0.1:${Object(silent.address()).port}`
    const child = spawn(process.execPath, [processes.main, ...argv], {
      env: {
        ...processes.environment,
        [variable]: scheme === '' ? address : `${scheme}://${address}/x`,
      },
      stdio: 'ignore',
    })
    const [socket] = await once(silent, 'connection')
    // It hangs up: nobody else ends this connection.
    socket.on('error', () => undefined)

    child.kill('SIGTERM')

    const [code] = await once(child, 'exit')
    expect(code).toBe(130)
    socket.destroy()
    silent.close()
  }, 90_000)

  it('ends in order when it is asked to: 0 for an endless command, 130 for a finite one', async () => {
    const endless = processes.start('produce', '--eps', '100')
    const finite = processes.start('produce', '--eps', '100', '--count', '1000000')
    await Promise.all([says(endless, /seed \d+/), says(finite, /seed \d+/)])

    endless.kill('SIGTERM')
    finite.kill('SIGINT')

    expect(await Promise.all([exitCode(endless), exitCode(finite)])).toEqual([0, 130])
  })
})

describe('a machine in another time zone', () => {
  const inNewYork = async (...argv: readonly string[]): Promise<string> => {
    const child = spawn(process.execPath, [processes.main, ...argv, '--json'], {
      env: { ...processes.environment, TZ: 'America/New_York' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return text(child.stdout)
  }

  it('takes a time without a zone for UTC, in files and in conditions', async () => {
    const table = join(processes.home, 'zones')
    const rows = join(processes.home, 'zones.csv')
    await writeFile(rows, 'ts,n\n2026-01-01T00:00:00.000000Z,0\n')
    await inNewYork('table', 'append', table, '--from', rows)
    await writeFile(rows, 'ts,n\n2026-03-08 02:30:00,1\n2026-11-01T01:30:00,2\n2026-07-01T12:00:00+02:00,3\n')
    await inNewYork('table', 'append', table, '--from', rows)

    const found = await inNewYork('table', 'read', table, '--where', "ts >= timestamp '2026-03-08 02:30:00'")

    expect(found.trimEnd().split('\n').toSorted()).toEqual([
      '{"ts":"2026-03-08T02:30:00.000000Z","n":1}',
      '{"ts":"2026-07-01T10:00:00.000000Z","n":3}',
      '{"ts":"2026-11-01T01:30:00.000000Z","n":2}',
    ])
  })
})
