/** A Python virtual environment with pinned packages, made once per list of pins. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requireTool, run } from './command.ts'
import type { Place } from './service.ts'

/** @returns The folder of the environment; programs are in its `bin`. */
export async function installVenv(name: string, pins: readonly string[], place: Place): Promise<string> {
  requireTool('python3', 'needed with its venv module, 3.10 or newer')
  const venv = join(place.cacheDir, `${name}-venv`)
  const complete = join(venv, 'complete')
  const wanted = `${pins.join('\n')}\n`
  if (existsSync(complete) && readFileSync(complete, 'utf8') === wanted) return venv
  rmSync(venv, { recursive: true, force: true })
  const logFile = join(place.scratchDir, `${name}-pip.log`)
  await run('python3', ['-m', 'venv', venv], { logFile })
  // Python compiles what it loads; compiling all that is installed takes longer than installing it.
  const options = ['--no-compile', '--disable-pip-version-check', '-q']
  await run(join(venv, 'bin', 'pip'), ['install', ...options, ...pins], { logFile })
  writeFileSync(complete, wanted)
  return venv
}
