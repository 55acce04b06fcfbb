import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

it('--help says what there is, and installs nothing', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'lakeshore-services-'))
  const script = join(import.meta.dirname, 'test-services.ts')

  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, '--help'], {
    env: { ...process.env, LAKE_SERVICES_CACHE: cache },
  })

  expect(stdout).toContain('--only a,b   only these: kafka, ')
  expect(await readdir(cache)).toEqual([])
  await rm(cache, { recursive: true })
})
