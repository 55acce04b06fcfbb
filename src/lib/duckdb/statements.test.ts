import { describe, expect, it } from 'vitest'
import { firstWord, splitStatements } from './statements.ts'

describe('splitStatements(sql)', () => {
  it.each([
    ['select 1', ['select 1']],
    ['select 1;', ['select 1']],
    ['select 1; ; select 2 ;\n', ['select 1', 'select 2']],
    [
      'select \'a;b\', "c;d"; select $$;$$, $x$;$$;$x$',
      ['select \'a;b\', "c;d"', 'select $$;$$, $x$;$$;$x$'],
    ],
    ["select 'it''s; one'", ["select 'it''s; one'"]],
    ['-- first; second\nselect 1 -- the; end', ['-- first; second\nselect 1 -- the; end']],
    ['select 1; -- nothing more', ['select 1']],
    ['/* a;\nb */ select 2 - 1, 4 / 2', ['/* a;\nb */ select 2 - 1, 4 / 2']],
    ['  ;; ', []],
  ])('of %j are %j', (sql, statements) => {
    expect(splitStatements(sql)).toEqual(statements)
  })
})

describe('firstWord(statement)', () => {
  it.each([
    ['-- note\n  SELECT 1', 'select'],
    ['/* a */ (select 1)', 'select'],
    ['\nfrom t', 'from'],
    ['', ''],
  ])('of %j is %j', (statement, word) => {
    expect(firstWord(statement)).toBe(word)
  })
})
