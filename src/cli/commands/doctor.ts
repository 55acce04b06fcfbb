/** `lake doctor`: whether each part works, and what fixes it. */
import type { Command } from 'commander'
import { examine } from '../../pipeline/platform/doctor.ts'
import type { CommandLine } from '../command-line.ts'
import { hintOfProblem } from '../finding-hints.ts'
import { printable } from '../output/printable.ts'

export function addDoctor(program: Command, cli: CommandLine): void {
  program
    .command('doctor')
    .summary('whether each part works, and what fixes it')
    .description(
      'Tries each part: reachable, version, writable, disk, clock. One line each, and below it what to do if the part ' +
        'does not work. Exits 2 if a part fails.',
    )
    .option('--deep', 'also read every data file of every table and compare it with its checksum')
    .addHelpText('after', '\nExamples:\n  lake doctor\n  lake doctor --deep --json')
    .action(({ deep = false }: { readonly deep?: boolean }) => runDoctor(deep, cli))
}

async function runDoctor(isDeep: boolean, cli: CommandLine): Promise<void> {
  const { platform, output, signal } = cli
  const findings: ShownFinding[] = []
  for await (const found of examine(platform, { isDeep, signal })) {
    const { part, state, finding } = found
    const shown = { part, state, finding, ...('problem' in found && { mend: hintOfProblem(found.problem) }) }
    findings.push(shown)
    if (!cli.isJson) await output.write(lineOf(shown))
  }
  const isWell = findings.every(({ state }) => state !== 'fail')
  if (cli.isJson) await cli.result({ ok: isWell, parts: findings }, () => '')
  if (!isWell) cli.exitCode = 2
}

/** As `--json` has it: scripts rely on these names. */
interface ShownFinding {
  readonly part: string
  readonly state: 'ok' | 'warn' | 'fail'
  readonly finding: string
  /** What to do; absent where there is nothing to fix. */
  readonly mend?: string
}

function lineOf({ part, state, finding, mend }: ShownFinding): string {
  const line = `${state.padEnd(5)} ${part.padEnd(10)} ${printable(finding)}\n`
  return mend === undefined ? line : `${line}${' '.repeat(17)}→ ${printable(mend)}\n`
}
