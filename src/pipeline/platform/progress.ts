/** How far a long step is, for a terminal and for the page alike. */
export interface Progress {
  /** What is done now: `Making a history of events`. */
  readonly step: string
  /** Of `total`; both or neither. */
  readonly done?: number
  readonly total?: number
}

/** `Making a history of events: 40 %`. */
export function progressText({ step, done, total }: Progress): string {
  if (done === undefined || total === undefined || total === 0) return step
  return `${step}: ${Math.floor((100 * done) / total)} %`
}
