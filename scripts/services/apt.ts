/** Debian packages, for what has no better home. One apt at a time: it locks its lists against itself. */
import { join } from 'node:path'
import { isInstalled, run } from './command.ts'
import { MissingTool, type Place } from './service.ts'

let queue: Promise<void> = Promise.resolve()
let isUpdated = false

/** Installs `packages` unless `command` is there already. */
export function aptInstall(command: string, packages: readonly string[], place: Place): Promise<void> {
  const turn = queue.then(() => install(command, packages, place))
  queue = turn.catch(() => undefined)
  return turn
}

async function install(command: string, packages: readonly string[], place: Place): Promise<void> {
  if (isInstalled(command)) return
  const wanted = packages.join(' ')
  if (!isInstalled('apt-get'))
    throw new MissingTool(`${command} is missing, and so is apt-get: install ${wanted} by hand`)
  if (process.getuid?.() !== 0) throw new MissingTool(`${command} is missing: sudo apt-get install ${wanted}`)
  const options = {
    logFile: join(place.scratchDir, 'apt.log'),
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  }
  const lock = ['-o', 'DPkg::Lock::Timeout=300']
  if (!isUpdated) await run('apt-get', [...lock, 'update', '-q'], options)
  isUpdated = true
  await run('apt-get', [...lock, 'install', '-y', '-q', '--no-install-recommends', ...packages], options)
}
