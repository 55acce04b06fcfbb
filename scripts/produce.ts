/** `npm run pipeline:produce`: `lake produce`, for npm and cron. */
import { runProcess } from '../src/cli/process.ts'

await runProcess(['produce', ...process.argv.slice(2)])
