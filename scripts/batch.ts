/** `npm run pipeline:batch`: `lake batch`, for npm and cron. */
import { runProcess } from '../src/cli/process.ts'

await runProcess(['batch', ...process.argv.slice(2)])
