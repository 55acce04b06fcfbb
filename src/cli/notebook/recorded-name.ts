/** Under which name the run store has the runs of a notebook. */
import type { NotebookPlace } from './places.ts'

const prefix = 'notebook/'

export const dagOfNotebook = ({ name }: NotebookPlace): string => `${prefix}${name}`

/** `undefined` for a run of another kind. */
export const notebookOfDag = (dag: string): string | undefined =>
  dag.startsWith(prefix) ? dag.slice(prefix.length) : undefined
