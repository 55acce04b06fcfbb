/**
 * Adds to package-lock.json the optional packages of other platforms that npm leaves out when the registry
 * at hand lacks one of them; `npm ci` refuses a lockfile without them. Run it after every `npm install`.
 */
import { readFileSync, writeFileSync } from 'node:fs'

interface LockEntry {
  readonly version?: string
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
}

const platforms = ['darwin', 'linux', 'win32', 'freebsd', 'openbsd', 'netbsd', 'sunos', 'android', 'aix']
const processors = [
  'x64',
  'arm64',
  'arm',
  'ia32',
  'ppc64',
  's390x',
  'riscv64',
  'loong64',
  'mips64el',
  'wasm32',
]
const libraries = {
  gnu: 'glibc',
  glibc: 'glibc',
  gnueabihf: 'glibc',
  musl: 'musl',
  musleabihf: 'musl',
} as const

/** `@chdb/lib-linux-arm64-gnu` → what npm needs to know to leave it alone on other platforms. */
function platformOf(name: string): Pick<LockEntry, 'os' | 'cpu' | 'libc'> {
  const words = name.split(/[/-]/)
  const os = platforms.filter((platform) => words.includes(platform))
  const cpu = processors.filter((processor) => words.includes(processor))
  const libc = Object.entries(libraries).filter(([word]) => words.includes(word))
  return {
    ...(os.length > 0 && { os }),
    ...(cpu.length > 0 && { cpu }),
    ...(libc.length > 0 && { libc: libc.map(([, library]) => library) }),
  }
}

const file = process.argv[2] ?? 'package-lock.json'
const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, LockEntry> }
const added: string[] = []
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const candidates = [`${path === '' ? '' : `${path}/`}node_modules/${name}`, `node_modules/${name}`]
    if (candidates.some((candidate) => candidate in lock.packages)) continue
    lock.packages[`node_modules/${name}`] = { version, ...platformOf(name), optional: true }
    added.push(`${name}@${version}`)
  }
}
if (added.length > 0) {
  const sorted = Object.fromEntries(
    Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
  )
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: sorted }, null, 2)}\n`)
}
console.error(added.length === 0 ? `${file} is complete` : `Added to ${file}: ${added.join(', ')}`)
