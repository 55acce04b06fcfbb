import type { NodeEnd, RunRecorder } from './recorder.ts'

type Line =
  | { readonly kind: 'run-started'; readonly nodes: readonly string[] }
  | { readonly kind: 'attempt-started'; readonly node: string; readonly attempt?: number }
  | ({ readonly kind: 'node-ended' } & NodeEnd)
  | { readonly kind: 'run-ended'; readonly state: string; readonly error?: unknown }

/** Records a run as a list of lines, in the order of the calls. Tests read the list, and can make a call fail. */
export class MemoryRecorder implements RunRecorder {
  readonly lines: Line[] = []
  /** Called before each line is kept; the recorder throws what it throws. */
  beforeWrite: (line: Line) => void = () => undefined

  async runStarted({ nodes }: { readonly nodes: readonly string[] }): Promise<number> {
    this.#write({ kind: 'run-started', nodes })
    return 1
  }

  async attemptStarted({
    node,
    attempt,
  }: {
    readonly node: string
    readonly attempt: number
  }): Promise<void> {
    this.#write({ kind: 'attempt-started', node, ...(attempt > 1 && { attempt }) })
  }

  async nodeEnded(end: NodeEnd): Promise<void> {
    this.#write({ kind: 'node-ended', ...end })
  }

  async runEnded({ state, error }: { readonly state: string; readonly error?: unknown }): Promise<void> {
    this.#write({ kind: 'run-ended', state, ...(error !== undefined && { error }) })
  }

  #write(line: Line): void {
    this.beforeWrite(line)
    this.lines.push(line)
  }
}
