import { describe, expect, it } from 'vitest'
import type { BooksAnswer } from '../answers.ts'
import { unaudited } from '../readings/books.ts'
import { troublesOf } from './troubles.ts'

const read: BooksAnswer = { ...unaudited, readAt: null, isStale: false, problem: null }

const troublesWith = (books: Partial<BooksAnswer>) =>
  troublesOf({
    overview: undefined,
    tables: undefined,
    runs: undefined,
    books: { ...read, ...books },
    isUnreachable: false,
  })

describe('troublesOf(readings)', () => {
  it.each([null, true])('says nothing of books whose balance is %s', (isBalanced) => {
    expect(troublesWith({ isBalanced })).toEqual([])
  })

  it('says that the books do not balance', () => {
    expect(troublesWith({ isBalanced: false })).toEqual([
      { what: expect.stringContaining('The books do not balance') },
    ])
  })

  it('says that the books could not be read, and why', () => {
    const problem = { code: 'RUNSTORE_UNAVAILABLE', message: 'no answer', hint: 'Start it.' }

    expect(troublesWith({ problem })).toEqual([{ what: 'The books could not be read.', problem }])
  })
})
