/** Whether every event is accounted for, from its offset to the number that readers see. */
import type { ReactElement } from 'react'
import type { BooksAnswer, BooksIdentity } from '../answers.ts'
import { age, exactTime } from './format.ts'
import { Empty, Unread } from './panel-frame.tsx'

const count = new Intl.NumberFormat('en')

interface BooksCardProps {
  readonly answer: BooksAnswer | undefined
  readonly nowMs: number
}

export function BooksCard({ answer, nowMs }: BooksCardProps): ReactElement {
  return (
    <section className="card listing books" aria-labelledby="books-heading">
      <header className="panel-head">
        <h2 id="books-heading">
          The books <Verdict answer={answer} />
        </h2>
        {answer !== undefined && <Audited answer={answer} nowMs={nowMs} />}
      </header>
      {answer === undefined ? (
        <div className="skeleton skeleton-list" />
      ) : answer.identities.length > 0 ? (
        <>
          <Problems answer={answer} />
          <Identities identities={answer.identities} />
        </>
      ) : answer.problem === null ? (
        <Empty title="Nothing has been audited yet">Each batch ends with an audit</Empty>
      ) : (
        <Unread problem={answer.problem} />
      )}
    </section>
  )
}

function Verdict({ answer }: Pick<BooksCardProps, 'answer'>): ReactElement | null {
  if (answer === undefined || answer.isBalanced === null) return null
  return answer.isBalanced ? (
    <span className="state state-succeeded">balance</span>
  ) : (
    <span className="state state-failed">do not balance</span>
  )
}

function Audited({ answer, nowMs }: { readonly answer: BooksAnswer; readonly nowMs: number }): ReactElement {
  const { audit, release } = answer
  return (
    <span className="soft">
      {audit !== null && (
        <time dateTime={audit.endedAt} title={exactTime(audit.endedAt)}>
          audited {age(nowMs - Date.parse(audit.endedAt))} by run #{audit.run}
        </time>
      )}
      {release !== null && (
        <span title={`released at ${exactTime(release.releasedAt)} by run #${release.run}`}>
          {' '}
          · release {release.id}
        </span>
      )}
    </span>
  )
}

function Problems({ answer: { problems } }: { readonly answer: BooksAnswer }): ReactElement | null {
  if (problems.length === 0) return null
  return (
    <ul className="book-problems">
      {problems.map(({ name, table, date, partition, problem }) => (
        <li key={`${name} ${table} ${date} ${partition}`}>
          <strong>
            {table} {date ?? (partition === null ? '' : `partition ${partition}`)}
          </strong>{' '}
          {problem} <span className="soft">({name})</span>
        </li>
      ))}
      <li className="soft">
        <code>lake ledger</code> and <code>lake reconcile</code> name the rows; <code>lake trace</code> tells
        the way of one.
      </li>
    </ul>
  )
}

function Identities({ identities }: { readonly identities: readonly BooksIdentity[] }): ReactElement {
  return (
    <table className="list">
      <thead>
        <tr>
          <th scope="col">Must be equal</th>
          <th scope="col">State</th>
          <th scope="col" className="number">
            Left
          </th>
          <th scope="col" className="number">
            Right
          </th>
          <th scope="col" className="number wide" title="Days, partitions or tables, each audited by itself">
            Audited
          </th>
        </tr>
      </thead>
      <tbody>
        {identities.map((identity) => (
          <tr key={identity.name}>
            <th scope="row">{identity.name}</th>
            <td>
              <State identity={identity} />
            </td>
            <td className="number">{count.format(identity.left)}</td>
            <td className="number">{count.format(identity.right)}</td>
            <td className="number wide">{count.format(identity.audited)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function State({ identity: { wrong, accepted } }: { readonly identity: BooksIdentity }): ReactElement {
  if (wrong > 0) return <span className="state state-failed">{count.format(wrong)} not equal</span>
  if (accepted > 0) return <span className="state">{count.format(accepted)} accepted</span>
  return <span className="state state-succeeded">equal</span>
}
