/** `npm run pipeline:landing`: `lake land`, for npm and cron. */
import { runProcess } from '../src/cli/process.ts'

await runProcess(['land', ...process.argv.slice(2)])
