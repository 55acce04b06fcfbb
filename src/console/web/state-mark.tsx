/** The state of a run or a task: a word and a colour, never a colour alone. */
import type { ReactElement } from 'react'
import type { RunAnswer, Task } from '../answers.ts'

export function StateMark({ state }: { readonly state: Task['state'] | RunAnswer['state'] }): ReactElement {
  return <span className={`state state-${state}`}>{state}</span>
}
