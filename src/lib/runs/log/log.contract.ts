/** Logs of attempts beside any database. */
import { describe, expect, it } from 'vitest'
import type { Stores } from '../control/stores.fixture.ts'
import type { RunStore } from '../run-store.ts'
import { logLines } from './log-lines.ts'

export function describeLogs({ adapter, openStore, inChild, leaseOf }: Stores): void {
  describe(`run store contract, logs: ${adapter}`, () => {
    const messagesOf = async (store: RunStore, id: number): Promise<readonly string[]> => {
      const found: string[] = []
      for await (const lines of logLines(store.logs, await store.runs.show(id))) {
        found.push(...lines.map(({ json }) => JSON.parse(json).message))
      }
      return found
    }

    it('keeps what an attempt said, by attempt, without secrets, for every process', async () => {
      const store = await openStore({ secrets: ['s3cret'] })
      const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: await leaseOf(store, 'd') })
      const id = await recorder.runStarted({ nodes: ['notebooks/a b'], startedMs: 1 })
      for (const attempt of [1, 2]) {
        const at = { node: 'notebooks/a b', attempt }
        await recorder.attemptStarted({ ...at, startedMs: attempt })
        const log = store.logs.attempts.open({ ...at, runId: id })
        log.logger.child({ part: 'store' }).warn({ err: new Error('s3cret is wrong') }, `said ${attempt}`)
        await log.close()
        log.logger.warn({}, 'after its end')
        await recorder.nodeEnded({ ...at, state: 'failed', endedMs: attempt })
      }
      await recorder.runEnded({ state: 'failed', endedMs: 3 })

      const other = await openStore()
      const run = await other.runs.show(id)
      const lines: string[] = []
      for await (const some of logLines(other.logs, run, { attempt: 2 })) {
        lines.push(...some.map(({ json }) => json))
      }

      expect(await messagesOf(other, id)).toEqual(['said 1', 'said 2'])
      expect(lines.map((line) => JSON.parse(line))).toMatchObject([
        { level: 'warn', part: 'store', message: 'said 2', err: { message: '[secret] is wrong' } },
      ])
      expect(lines.join()).not.toContain('s3cret')
    })

    it('has each line of a process that was killed, up to the last', async () => {
      const store = await openStore()
      const { child, said, gone } = inChild(`
        const { lease } = await store.leases.acquire('dead')
        const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease })
        const id = await recorder.runStarted({ nodes: ['a'], startedMs: 1 })
        await recorder.attemptStarted({ node: 'a', attempt: 1, startedMs: 2 })
        const { logger } = store.logs.attempts.open({ runId: id, node: 'a', attempt: 1 })
        for (let at = 1; at <= 2000; at++) logger.info({ at }, 'line ' + at)
        process.stdout.write(id + '\\n')
        process.kill(process.pid, 'SIGKILL')`)
      const id = Number(await said)
      await gone
      child.kill('SIGKILL')

      const messages = await messagesOf(store, id)
      await store.runs.closeOrphans()

      expect(messages).toHaveLength(2000)
      expect(messages.at(-1)).toBe('line 2000')
      expect(await messagesOf(store, id)).toEqual(messages)
      expect((await store.runs.show(id)).state).toBe('abandoned')
    })

    it('removes the logs of runs that ended long ago, and keeps the runs', async () => {
      const store = await openStore()
      const lease = await leaseOf(store, 'd')
      const ids: number[] = []
      for (const endedMs of [1_000, 9_000]) {
        const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease })
        const id = await recorder.runStarted({ nodes: ['a'], startedMs: 1 })
        await recorder.attemptStarted({ node: 'a', attempt: 1, startedMs: 2 })
        const log = store.logs.attempts.open({ runId: id, node: 'a', attempt: 1 })
        log.logger.info({}, 'here')
        await log.close()
        await recorder.nodeEnded({ node: 'a', attempt: 1, state: 'succeeded', endedMs })
        await recorder.runEnded({ state: 'succeeded', endedMs })
        ids.push(id)
      }

      const removed = await store.logs.removeBefore(5_000)

      expect(removed).toEqual([ids[0]])
      expect(await Promise.all(ids.map((id) => messagesOf(store, id)))).toEqual([[], ['here']])
      expect(await store.runs.list()).toHaveLength(2)
    })
  })
}
