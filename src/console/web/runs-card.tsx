/** The last runs of the batch, each with its tasks. */
import type { ReactElement } from 'react'
import type { RunAnswer, RunsAnswer, Task } from '../answers.ts'
import { Breakable } from './breakable.tsx'
import { age, duration, exactTime } from './format.ts'
import { Empty, Unread } from './panel-frame.tsx'
import { StateMark } from './state-mark.tsx'

const count = new Intl.NumberFormat('en')

export function RunsCard({
  answer,
  nowMs,
}: {
  readonly answer: RunsAnswer | undefined
  readonly nowMs: number
}): ReactElement {
  return (
    <section className="card listing" aria-labelledby="runs-heading">
      <header className="panel-head">
        <h2 id="runs-heading">Last runs</h2>
        {answer?.schedule && (
          <span className="soft" title={`next at ${exactTime(answer.schedule.next)}`}>
            <code>{answer.schedule.cron}</code> {answer.schedule.timeZone}
          </span>
        )}
      </header>
      {answer === undefined ? (
        <div className="skeleton skeleton-list" />
      ) : answer.runs.length > 0 ? (
        <ol className="runs">
          {answer.runs.map((run, at) => (
            <li key={run.id}>
              <RunLine run={run} nowMs={nowMs} isOpen={at === 0} />
            </li>
          ))}
        </ol>
      ) : answer.problem === null ? (
        <Empty title="The first batch has not run">
          <code>lake batch</code> runs it, and so does the schedule
        </Empty>
      ) : (
        <Unread problem={answer.problem} />
      )}
    </section>
  )
}

interface RunLineProps {
  readonly run: RunAnswer
  readonly nowMs: number
  readonly isOpen: boolean
}

function RunLine({ run, nowMs, isOpen }: RunLineProps): ReactElement {
  const beganAt = run.startedAt ?? run.queuedAt
  const beganMs = beganAt === null ? nowMs : Date.parse(beganAt)
  const endedMs = run.endedAt === null ? nowMs : Date.parse(run.endedAt)
  return (
    <details className="run" open={isOpen}>
      <summary>
        <StateMark state={run.state} />
        <span className="run-id">#{run.id}</span>
        <span className="soft run-trigger">
          {run.trigger}
          {run.firstRun !== null && ` of #${run.firstRun}`}
        </span>
        <span className="run-tasks" role="img" aria-label={spokenTasks(run.tasks)}>
          {run.tasks.map((task) => (
            <i
              key={`${task.node} ${task.attempt}`}
              className={`dot dot-${task.state}`}
              title={`${task.node}: ${task.state}`}
            />
          ))}
        </span>
        <span className="run-times">
          {beganAt !== null && (
            <time dateTime={beganAt} title={exactTime(beganAt)}>
              {age(nowMs - beganMs)}
            </time>
          )}
          <span className="soft">{duration(endedMs - beganMs)}</span>
        </span>
      </summary>
      {run.error !== null && <p className="run-error">{run.error.message}</p>}
      <table className="list">
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col">State</th>
            <th scope="col" className="number wide">
              Rows in
            </th>
            <th scope="col" className="number">
              Rows out
            </th>
            <th scope="col" className="number">
              Took
            </th>
          </tr>
        </thead>
        <tbody>
          {run.tasks.map((task) => (
            <TaskLine key={`${task.node} ${task.attempt}`} task={task} nowMs={nowMs} />
          ))}
        </tbody>
      </table>
    </details>
  )
}

function TaskLine({ task, nowMs }: { readonly task: Task; readonly nowMs: number }): ReactElement {
  const rows = (value: number | null): string => (value === null ? '–' : count.format(value))
  const took =
    task.startedAt === null
      ? '–'
      : duration((task.endedAt === null ? nowMs : Date.parse(task.endedAt)) - Date.parse(task.startedAt))
  return (
    <tr>
      <th scope="row" className="task">
        <Breakable name={task.node} />
        {task.attempt > 1 && <span className="soft"> · attempt {task.attempt}</span>}
        {task.error !== null && <span className="task-error">{task.error.message}</span>}
      </th>
      <td>
        <StateMark state={task.state} />
        {task.state === 'up-for-retry' && task.retryAt !== null && (
          <span className="soft"> at {exactTime(task.retryAt)}</span>
        )}
      </td>
      <td className="number wide">{rows(task.rowsIn)}</td>
      <td className="number">{rows(task.rowsOut)}</td>
      <td className="number">{took}</td>
    </tr>
  )
}

function spokenTasks(tasks: readonly Task[]): string {
  const states = [...new Set(tasks.map(({ state }) => state))]
  return states.map((state) => `${tasks.filter((task) => task.state === state).length} ${state}`).join(', ')
}
