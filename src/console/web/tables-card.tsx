/** The Delta tables: version, rows, size, last commit. */
import type { ReactElement } from 'react'
import type { TableSummary, TablesAnswer } from '../answers.ts'
import { Breakable } from './breakable.tsx'
import { age, bytes, exactTime } from './format.ts'
import { Empty, Unread } from './panel-frame.tsx'

const count = new Intl.NumberFormat('en')
const orDash = (value: number | null): string => (value === null ? '–' : count.format(value))

export function TablesCard({
  answer,
  nowMs,
}: {
  readonly answer: TablesAnswer | undefined
  readonly nowMs: number
}): ReactElement {
  return (
    <section className="card listing" aria-labelledby="tables-heading">
      <header className="panel-head">
        <h2 id="tables-heading">Tables</h2>
      </header>
      {answer === undefined ? (
        <div className="skeleton skeleton-list" />
      ) : answer.tables.length > 0 ? (
        <table className="list tables">
          <thead>
            <tr>
              <th scope="col">Table</th>
              <th scope="col" className="number">
                Version
              </th>
              <th scope="col" className="number">
                Rows
              </th>
              <th scope="col" className="number wide">
                Size
              </th>
              <th scope="col" className="wider">
                Operation
              </th>
              <th scope="col" className="number">
                Last commit
              </th>
            </tr>
          </thead>
          <tbody>
            {answer.tables.map((table) => (
              <Line key={table.name} table={table} nowMs={nowMs} />
            ))}
          </tbody>
        </table>
      ) : answer.problem === null ? (
        <Empty title="No tables yet" />
      ) : (
        <Unread problem={answer.problem} />
      )}
    </section>
  )
}

function Line({ table, nowMs }: { readonly table: TableSummary; readonly nowMs: number }): ReactElement {
  const { name, version, rows, files, sizeBytes, committedAt, operation, problem } = table
  const [folder, leaf] = name.split('/')
  return (
    <>
      <tr className={problem !== null ? 'unread' : version === null ? 'absent' : undefined}>
        <th scope="row">
          {leaf === undefined ? (
            name
          ) : (
            <>
              <span className={`folder folder-${folder}`}>{folder}</span>
              <span className="slash">/</span>
              <wbr />
              <Breakable name={leaf} />
            </>
          )}
        </th>
        <td className="number">{orDash(version)}</td>
        <td className="number">{orDash(rows)}</td>
        <td className="number wide" title={files === null ? undefined : `${count.format(files)} files`}>
          {sizeBytes === null ? '–' : bytes(sizeBytes)}
        </td>
        <td className="wider soft">{operation ?? '–'}</td>
        <td className="number">
          {committedAt === null ? (
            version === null && problem === null ? (
              'not yet'
            ) : (
              '–'
            )
          ) : (
            <time dateTime={committedAt} title={exactTime(committedAt)}>
              {age(nowMs - Date.parse(committedAt))}
            </time>
          )}
        </td>
      </tr>
      {problem !== null && (
        <tr>
          <td colSpan={6}>
            <p className="table-error">
              <strong>
                Could not be read{version !== null && `, shown is version ${count.format(version)}`}.
              </strong>{' '}
              {problem.message}. {problem.hint}
            </p>
          </td>
        </tr>
      )}
    </>
  )
}
