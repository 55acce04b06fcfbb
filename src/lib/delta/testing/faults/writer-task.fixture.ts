/** What a writer process is told, and the points at which it can be told to kill itself. */

export const crashPoints = [
  'before publish',
  'between publish and commit',
  'before link',
  'after link',
  'after commit',
  'merge: between publish and commit',
  'merge: after commit',
  'insert: between publish and commit',
  'optimize: between publish and commit',
  'optimize: after commit',
  'checkpoint: before rename',
  'checkpoint: between file and hint',
  'checkpoint: after hint',
] as const
export type CrashPoint = (typeof crashPoints)[number]

export interface WriterTask {
  /** Of the table. */
  readonly path: string
  readonly name: string
  readonly kill?: CrashPoint
  readonly steps: number
}
