/** `lake console`: the page and its API only, over the data of other processes. */
import type { Command } from 'commander'
import type { Config } from '../../pipeline/platform/config.ts'
import { exposureOf } from '../../pipeline/platform/exposure.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { hintOfProblem } from '../finding-hints.ts'

/** The address, and how to open it where there is a token. The token itself is not shown. */
export function openingOf(url: string, { console }: Config): string {
  return console.token === undefined ? url : `${url} (open it once as ${url}/?token=CONSOLE_TOKEN)`
}

/** On stderr, last, so that it is not overlooked. */
export function warnOfExposure({ config, terminal }: CommandLine): void {
  const exposure = exposureOf(config.console)
  if (exposure !== undefined)
    terminal.line(`WARNING: ${exposure}. ${hintOfProblem({ kind: 'console-exposed' })}`)
}

export function addConsole(program: Command, cli: CommandLine): void {
  program
    .command('console')
    .summary('the console alone')
    .description('Serves the console and its REST API over what other processes make, until stopped.')
    .option('--port <number>', 'to listen on (default: CONSOLE_PORT)', wholeNumber({ min: 0, max: 65_535 }))
    .addHelpText('after', '\nExamples:\n  lake console\n  lake console --port 9000')
    .action((flags: { readonly port?: number }) => runConsole(flags.port, cli))
}

async function runConsole(port: number | undefined, cli: CommandLine): Promise<void> {
  cli.isEndless = true
  const { openConsole } = await import('../bring-up.ts')
  const { ensureServingSchema } = await import('../../pipeline/serving/schema.ts')
  await ensureServingSchema(await cli.platform.clickhouse(), { signal: cli.signal })
  await serveConsole(port, cli, openConsole)
}

/** A function of its own: in one with `using`, tsc does not rewrite the path of an import. */
async function serveConsole(
  port: number | undefined,
  cli: CommandLine,
  openConsole: typeof import('../bring-up.ts').openConsole,
): Promise<void> {
  const { platform, config, signal } = cli
  await using console = await openConsole(platform, {
    host: config.console.host,
    port: port ?? config.console.port,
    signal,
  })
  await cli.result(
    { url: console.url },
    () => `The console is at ${openingOf(console.url, config)}; Ctrl-C ends it`,
  )
  warnOfExposure(cli)
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
