/** Which machine this is, as far as process numbers mean the same on it. */
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'

let machineOnce: string | undefined

/**
 * Names one boot of one pid namespace, so that equal numbers of two containers or two boots are never taken for
 * one process; empty where there is no /proc.
 */
export function machineName(): string {
  machineOnce ??= readMachine()
  return machineOnce
}

function readMachine(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const pidNamespace = readlinkSync('/proc/self/ns/pid')
    return createHash('sha256').update(`${boot} ${pidNamespace}`).digest('hex').slice(0, 12)
  } catch {
    return ''
  }
}
