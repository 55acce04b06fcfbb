import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CliHome, openCliHome } from '../cli.fixture.ts'

export interface NotebookHome extends CliHome {
  /** The folder of the user's own notebooks. */
  readonly folder: string
}

export async function openNotebookHome(env: Readonly<Record<string, string>> = {}): Promise<NotebookHome> {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-own-notebooks-'))
  const home = await openCliHome({ ...env, LAKESHORE_NOTEBOOKS: folder })
  return {
    ...home,
    folder,
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}
