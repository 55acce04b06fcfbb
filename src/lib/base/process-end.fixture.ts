/** For what the test files of one worker share: it is cleaned up when the process of the worker ends. */

const cleanings: (() => void)[] = []

/**
 * Calls `clean` at the end of this process, also if SIGTERM ends it, which is how vitest ends a worker. It must do its
 * work before it returns. SIGINT has no listener here: tests count those of the product.
 */
export function atProcessEnd(clean: () => void): void {
  if (cleanings.length === 0) {
    process.once('exit', cleanAll)
    process.once('SIGTERM', () => {
      cleanAll()
      process.kill(process.pid, 'SIGTERM')
    })
  }
  cleanings.push(clean)
}

function cleanAll(): void {
  for (const clean of cleanings.splice(0)) clean()
}
