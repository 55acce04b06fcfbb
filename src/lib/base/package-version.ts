/** The version of this package, as its manifest has it. */
import { readFileSync } from 'node:fs'
import { parseJson } from './json.ts'

export function packageVersion(): string {
  const file = new URL('../../../package.json', import.meta.url)
  const manifest = parseJson(readFileSync(file, 'utf8'), 'package.json')
  const hasVersion = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return hasVersion ? String(manifest['version']) : 'unknown'
}
