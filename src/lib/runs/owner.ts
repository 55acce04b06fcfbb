/**
 * The holder of a lease: a process, as `host:pid:token`, so that another process of the same machine can check whether
 * it still runs.
 *
 * The token is `machine.started.random`. `machine` identifies one boot and one pid namespace, because two containers
 * may have equal pids. `started` is the start of the process in clock ticks after the boot, because pids are used
 * again. Both are empty on a system without /proc.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { systemCode } from '../base/errors.ts'
import { machineName } from '../base/machine.ts'

export interface Owner {
  readonly host: string
  readonly pid: number
  readonly machine: string
  readonly started: string
  readonly random: string
}

/** `unknown`: a process of another machine, of which only the expiry of its lease can tell. */
export type Liveness = 'alive' | 'dead' | 'unknown'

/** This process, with a token of its own for each call. */
export function newOwner(): Owner {
  return {
    host: hostname().replaceAll(':', '-'),
    pid: process.pid,
    machine: machineName(),
    started: processStart(process.pid)?.started ?? '',
    random: randomBytes(4).toString('hex'),
  }
}

export function formatOwner({ host, pid, machine, started, random }: Owner): string {
  return `${host}:${pid}:${machine}.${started}.${random}`
}

/** @returns `undefined` for a text that no `formatOwner` wrote. */
export function parseOwner(text: string): Owner | undefined {
  const match = /^(?<host>[^:]*):(?<pid>\d+):(?<machine>[^.]*)\.(?<started>[^.]*)\.(?<random>[^.]*)$/.exec(
    text,
  )
  if (!match?.groups) return undefined
  const { host = '', pid, machine = '', started = '', random = '' } = match.groups
  return { host, pid: Number(pid), machine, started, random }
}

/** For people: `process 4242 on lap`. */
export function describeOwner(text: string): string {
  const owner = parseOwner(text)
  return owner === undefined ? text : `process ${owner.pid} on ${owner.host}`
}

/** Judges the process behind `text` by what this machine knows. */
export function livenessOf(text: string): Liveness {
  const owner = parseOwner(text)
  if (owner === undefined || owner.machine !== machineName()) return 'unknown'
  if (owner.machine === '' && owner.host !== hostname().replaceAll(':', '-')) return 'unknown'
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if (systemCode(error) === 'ESRCH') return 'dead'
  }
  const now = processStart(owner.pid)
  if (now === undefined) return 'alive'
  return now.isEnded || now.started !== owner.started ? 'dead' : 'alive'
}

/** `isEnded`: killed, and not yet waited for by its parent. */
function processStart(pid: number): { started: string; isEnded: boolean } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // proc(5): the second field is the command in brackets, and may itself hold blanks and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { started: fields[19] ?? '', isEnded: fields[0] === 'Z' || fields[0] === 'X' }
  } catch {
    return undefined
  }
}
