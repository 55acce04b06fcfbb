/** `npm run pipeline:schedule`: `lake schedule`, for npm and cron. */
import { runProcess } from '../src/cli/process.ts'

await runProcess(['schedule', ...process.argv.slice(2)])
