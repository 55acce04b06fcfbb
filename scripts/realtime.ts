/** `npm run pipeline:realtime`: `lake realtime`, for npm and cron. */
import { runProcess } from '../src/cli/process.ts'

await runProcess(['realtime', ...process.argv.slice(2)])
