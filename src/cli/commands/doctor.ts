/** `lake doctor`: whether each part works, and what fixes it. */
import type { Command } from 'commander'
import { examine, type Finding } from '../../pipeline/platform/doctor.ts'
import type { CommandLine } from '../command-line.ts'
import { hintOf } from '../hints.ts'
import { printable } from '../output/printable.ts'

export function addDoctor(program: Command, cli: CommandLine): void {
  program
    .command('doctor')
    .summary('whether each part works, and what fixes it')
    .description(
      'Tries each part: reachable, version, writable, disk, clock. One line each, and below it what to do if the part ' +
        'does not work. Exits 2 if a part fails.',
    )
    .addHelpText('after', '\nExamples:\n  lake doctor\n  lake doctor --json')
    .action(() => runDoctor(cli))
}

async function runDoctor(cli: CommandLine): Promise<void> {
  const { platform, output, signal } = cli
  const findings: Finding[] = []
  for await (const finding of examine(platform, { hintOf, signal })) {
    findings.push(finding)
    if (!cli.isJson) await output.write(lineOf(finding))
  }
  const isWell = findings.every(({ state }) => state !== 'fail')
  if (cli.isJson) await cli.result({ ok: isWell, parts: findings }, () => '')
  if (!isWell) cli.exitCode = 2
}

function lineOf({ part, state, finding, mend }: Finding): string {
  const line = `${state.padEnd(5)} ${part.padEnd(10)} ${printable(finding)}\n`
  return mend === undefined ? line : `${line}${' '.repeat(17)}→ ${printable(mend)}\n`
}
