/** Rows as a data frame of danfo. The package belongs to the notebooks, and is loaded when a frame is first asked for. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { LakeError, messageOf } from '../lib/base/errors.ts'
import { type FrameClass, toFrame } from '../lib/notebook/frame.ts'
import type { Frame } from './table.ts'

/** @throws LakeError `USAGE` without rows, and where the package is not installed. */
export function frameOf(rows: readonly object[]): Frame {
  return toFrame(frameClass(), rows)
}

/** Found from the folder of the notebook, as an import in a cell is. */
function frameClass(): FrameClass<Frame> {
  try {
    const danfo: unknown = createRequire(join(process.cwd(), 'cell.js'))('danfojs-node')
    if (typeof danfo === 'object' && danfo !== null && 'DataFrame' in danfo)
      return danfo.DataFrame as FrameClass<Frame>
    throw new Error('it has no DataFrame')
  } catch (error) {
    throw new LakeError('USAGE', `danfojs-node could not be loaded: ${messageOf(error)}`, {
      details: { fault: 'no-danfo' },
      cause: error,
    })
  }
}
