/** Where notebooks are: the lessons of the project, and the folder of the user's own. */
import { readdir } from 'node:fs/promises'
import { basename, join, relative, resolve, sep } from 'node:path'
import { LakeError, systemCode } from '../../lib/base/errors.ts'
import type { Config } from '../../pipeline/platform/config.ts'

export const projectFolder = resolve(import.meta.dirname, '..', '..', '..')
export const lessonsFolder = join(projectFolder, 'notebooks')

const ending = '.ipynb'

export interface NotebookPlace {
  /** Its path in its folder, without the ending: `01-first-look`, `team/churn`. */
  readonly name: string
  /** Absolute. */
  readonly path: string
}

/** The folders that are searched for notebooks. */
export const notebookFolders = ({ notebooks }: Config): readonly string[] =>
  notebooks.folder === undefined ? [lessonsFolder] : [lessonsFolder, notebooks.folder]

/** The folder that new notebooks go to. */
export const ownFolder = ({ notebooks }: Config): string => notebooks.folder ?? lessonsFolder

/** All notebooks: the lessons first, each folder by name. A folder that is missing has none. */
export async function allNotebooks(config: Config): Promise<readonly NotebookPlace[]> {
  return (await Promise.all(notebookFolders(config).map(notebooksBelow))).flat()
}

async function notebooksBelow(folder: string): Promise<readonly NotebookPlace[]> {
  const found: NotebookPlace[] = []
  const visit = async (at: string): Promise<void> => {
    for (const entry of await entriesOf(at)) {
      const path = join(at, entry.name)
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      if (entry.isDirectory()) await visit(path)
      else if (entry.name.endsWith(ending)) found.push({ name: nameIn(folder, path), path })
    }
  }
  await visit(folder)
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

async function entriesOf(folder: string): Promise<readonly import('node:fs').Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

function nameIn(folder: string, path: string): string {
  return relative(folder, path).slice(0, -ending.length).split(sep).join('/')
}

/**
 * The notebook that is meant: by its name, or by a path to it.
 *
 * @throws LakeError `USAGE` with the names that are near, or the paths where two folders have one of this name.
 */
export async function findNotebook(config: Config, given: string): Promise<NotebookPlace> {
  const all = await allNotebooks(config)
  if (given.endsWith(ending)) {
    const path = resolve(given)
    return all.find((each) => each.path === path) ?? { name: basename(path, ending), path }
  }
  const [found, ...others] = all.filter(({ name }) => name === given)
  if (found === undefined) {
    throw new LakeError('USAGE', `${given}: there is no such notebook`, {
      details: { fault: 'notebook-unknown', given, known: all.map(({ name }) => name) },
    })
  }
  if (others.length > 0) {
    const paths = [found, ...others].map(({ path }) => path)
    throw new LakeError('USAGE', `${given}: two notebooks have this name, ${paths.join(' and ')}`, {
      details: { fault: 'notebook-ambiguous', given, paths },
    })
  }
  return found
}

/** For people: from where they are, if it is below that. */
export function shownPath(path: string): string {
  const from = relative(process.cwd(), path)
  return from === '' || from.startsWith('..') ? path : from
}
