import { describe, expect, it } from 'vitest'
import { LakeError } from '../lib/base/errors.ts'
import { Collected } from './cli.fixture.ts'
import { createLogger } from './log.ts'
import { Terminal } from './output/terminal.ts'

const failure = new LakeError('DISK_FULL', 'append events: no space left', { details: { segment: 7 } })

function logged(isTTY: boolean): string {
  const stderr = Object.assign(new Collected(), {
    isTTY,
    columns: 80,
    cursorTo: () => true,
    clearLine: () => true,
  })
  const logger = createLogger(new Terminal(stderr), { level: 'info', hasStacks: false })
  logger.error({ err: failure, stage: 'landing', owner: { pid: 42 } }, 'The stage has stopped')
  return stderr.text
}

describe('createLogger(terminal, options)', () => {
  it('tells people what, why and the rest in one line, nothing as [object Object]', () => {
    expect(logged(true).slice(9)).toBe(
      'ERROR The stage has stopped: append events: no space left stage=landing owner={"pid":42} → Free space, and run it again: nothing was committed, and it goes on from there.\n',
    )
  })

  it('tells machines the same as one JSON document a line', () => {
    expect(JSON.parse(logged(false))).toMatchObject({
      level: 'error',
      msg: 'The stage has stopped',
      err: { code: 'DISK_FULL', message: 'append events: no space left', details: { segment: 7 } },
      stage: 'landing',
      owner: { pid: 42 },
    })
  })
})
