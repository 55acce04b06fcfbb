/**
 * `npm run notebook`: JupyterLab on the loopback, with the TypeScript kernel and the platform's modules ready.
 *
 * Exit: 0 stopped; 2 where something needed could not be had; 130 when interrupted before it was up.
 */
import { parseArgs } from 'node:util'
import { lessonsFolder } from '../src/cli/notebook/places.ts'
import { prepared } from '../src/cli/notebook/run.ts'
import { told } from '../src/hints/told.ts'
import { LakeError, messageOf } from '../src/lib/base/errors.ts'
import { openLab } from '../src/lib/jupyter/lab.ts'
import { openPlatform } from '../src/pipeline/platform/compose.ts'
import { type Config, readConfig } from '../src/pipeline/platform/config.ts'

const usage = `npm run notebook                    open JupyterLab on the lessons, and on your own notebooks
npm run -s lake -- notebook --help  list, run and check notebooks without it

  --port PORT      of JupyterLab (default: a free one)
  --no-browser     do not open a browser`

const say = (line: string): void => void process.stderr.write(`${line}\n`)
const interrupted = new AbortController()

interface Arguments {
  readonly isHelp: boolean
  readonly port: number | undefined
  readonly hasBrowser: boolean
}

function parseArguments(args: readonly string[]): Arguments {
  const { values } = parsed(args)
  const port = values.port === undefined ? undefined : Number(values.port)
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new LakeError('USAGE', `--port ${values.port}: expected a number from 1 to 65535`)
  }
  return { isHelp: values.help, port, hasBrowser: !values['no-browser'] && process.stdout.isTTY }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: 'string' },
        'no-browser': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    const fix =
      '`npm run notebook -- --help` shows the options; `lake notebook run --all` runs notebooks without a screen.'
    throw new LakeError('USAGE', messageOf(error), { cause: error, details: { fix } })
  }
}

async function sayHowToFillTheLake(config: Config): Promise<void> {
  await using platform = openPlatform(config)
  const table = await platform.table('bronze/events')
  if (await table.exists({ signal: interrupted.signal })) return
  say('The lake is empty: `npm start` in another terminal makes a week of history, and goes on from there')
}

async function main(): Promise<void> {
  const { isHelp, port, hasBrowser } = parseArguments(process.argv.slice(2))
  if (isHelp) {
    process.stdout.write(`${usage}\n`)
    return
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => interrupted.abort(new LakeError('INTERRUPTED', `Interrupted by ${signal}`)))
  }
  const { signal } = interrupted
  const config = readConfig()
  const environment = await prepared(config, undefined, { say, signal })
  const { folder: own } = config.notebooks
  await sayHowToFillTheLake(config)
  say('Starting JupyterLab')
  await openLab({
    environment,
    folder: own ?? lessonsFolder,
    first: own === undefined ? '01-first-look.ipynb' : 'lessons/01-first-look.ipynb',
    port,
    hasBrowser,
    say,
    signal,
  })
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    const { message, hint } = told(error)
    say(interrupted.signal.aborted ? 'Interrupted' : `${message}\n  → ${hint}`)
    process.exit(interrupted.signal.aborted ? 130 : 2)
  },
)
