/** For what the test files of one worker share: it is cleaned up when the process of the worker ends. */

const cleanings: (() => void)[] = []

/** Calls `clean` at the end of this process, also if a signal ends it. It must do its work before it returns. */
export function atProcessEnd(clean: () => void): void {
  if (cleanings.length === 0) {
    process.once('exit', cleanAll)
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        cleanAll()
        process.kill(process.pid, signal)
      })
    }
  }
  cleanings.push(clean)
}

function cleanAll(): void {
  for (const clean of cleanings.splice(0)) clean()
}
