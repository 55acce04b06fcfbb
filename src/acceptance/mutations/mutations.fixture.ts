// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are texts of our sources
import { eventFields } from '../../pipeline/model/event.ts'

/**
 * Changes that take something away from the checks: after each of them a test must fail. One that passes all tests is a
 * check that nobody would miss.
 */
export interface Mutation {
  /** What no longer happens. */
  readonly name: string
  /** From the root of the project. */
  readonly file: string
  /** Stands in the file once. */
  readonly find: string
  readonly replace: string
  /** The tests that are to notice. */
  readonly tests: readonly string[]
}

const of =
  (file: string, ...tests: readonly string[]) =>
  (name: string, find: string, replace: string): Mutation => ({ name, file, find, replace, tests })

const predicate = of('src/lib/quality/predicate.ts', 'src/lib/quality/evaluate.test.ts')
const evaluate = of('src/lib/quality/evaluate.ts', 'src/lib/quality/evaluate.test.ts')
const drift = of('src/lib/quality/drift.ts', 'src/lib/quality/drift.test.ts')
const violations = of('src/lib/quality/violations.ts', 'src/lib/quality/violations.test.ts')
const declared = of('src/pipeline/model/checks.ts', 'src/pipeline/model/checks.test.ts')
const rules = of('src/pipeline/model/event-rules.ts', 'src/pipeline/model/silver.test.ts')
const audit = of('src/pipeline/batch/audit/audit.ts', 'src/pipeline/batch/audit/audit.test.ts')
const candidate = of('src/pipeline/batch/audit/audit.ts', 'src/pipeline/query/candidate.test.ts')
const kept = of('src/pipeline/reconcile/violating-rows.ts', 'src/pipeline/reconcile/check-tables.test.ts')
const asked = of('src/pipeline/reconcile/check-tables.ts', 'src/pipeline/reconcile/check-tables.test.ts')

/** The kinds of expectations. */
const kinds: readonly Mutation[] = [
  predicate('null breaks notNull', '`${identifier(expectation.column)} is null`', '`false`'),
  predicate('two rows break unique', '`count(*) - count(distinct hash(', '`0 * count(distinct hash('),
  predicate('rows that break unique are found', ', ${columns}) > 1`', ', ${columns}) > 2`'),
  predicate('between has a lower end', '`${column} >= ${expectation.min}${below}`', '`true${below}`'),
  predicate('between has an upper end', '` and ${column} <= ${expectation.max}`', '``'),
  predicate(
    'oneOf has a list',
    'return `${identifier(expectation.column)} in (',
    'return `true or 1 in (0, ',
  ),
  predicate('condition has its SQL', 'return expectation.sql', `return 'true'`),
  predicate('references look into the other relation', 'as referenced where ${isSame})', 'as referenced)'),
  predicate('references know null', 'case when ${isNull} then null', 'case when false then null'),
  predicate('null may break', `expectation.nulls === 'hold'`, 'true'),
  predicate('null may hold', `expectation.nulls === 'hold'`, 'false'),
  predicate('a query returns rows', ') as violations`', ') as violations where false`'),
  evaluate(
    'freshness has an age',
    'nowMs - newestMs <= expectation.maxAgeHours * hourMs',
    'nowMs > 0 && newestMs !== 0',
  ),
  evaluate('a row that violates breaks it', `violations === 0 ? 'holds' : 'breaks'`, `'holds'`),
  evaluate('groups of a query that the relation lacks', '...counts, ...others', '...counts'),
  evaluate('drift without days is unknown', `'its rows are not grouped by day'`, `undefined as never`),
  drift('drift has limits', 'Math.abs(rows - median) <= within * median', 'true'),
  drift('too little history is unknown', 'before.length < atLeast', 'false'),
  drift('a day that is not over is unknown', 'day >= today', 'false'),
  drift('days without rows are no history', 'count > 0', 'count > -1'),
  drift('a day without rows between others', 'gap > longestGapDays', 'true'),
  drift('only the weekday counts', '(week + 1) * 7 * dayMs', '(week + 1) * dayMs'),
]

/** What becomes of each row. */
const rows: readonly Mutation[] = [
  violations(
    'a row may be new',
    `earlier.row_key is null then 'new'`,
    `earlier.row_key is null then 'still'`,
  ),
  violations(
    'a row may be fixed',
    `present.row_key is null then 'fixed'`,
    `present.row_key is null then 'still'`,
  ),
  violations(
    'rows of one name count once',
    'group by group_name, row_key',
    'group by group_name, row_key, random()',
  ),
  violations('samples are limited', 'filter (where nth <= ${sampleSize})', ''),
  kept('a fixed row is no longer open', `where nth = 1 and state = 'new'`, 'where nth = 1'),
  kept('the newest state of a row counts', 'order by ask desc', 'order by ask'),
  kept('days before are left alone', ' and event_date >= date', " and '9999-12-31' >= date"),
  kept('days after are left alone', ' and event_date < date', " and '0001-01-01' < date"),
  kept('still broken rows are not written again', `where since <> 'still'`, ''),
  kept('asks are numbered', '?? 0) + 1', '?? 1)'),
  kept('two asks at once do not both find a row', 'transactions: { [application]: ask },', ''),
  asked('fail fails', `severity === 'fail' ? 'failed' : 'warned'`, `'warned'`),
  asked('a check is still broken', `isBrokenBefore ? 'still' : 'new'`, `'new'`),
  asked('a check is fixed', `isBrokenBefore ? 'fixed' : null`, 'null'),
  asked('of some days the whole is not asked', 'days === undefined || !isOfRelation(expectation)', 'true'),
  asked('a day that is gone is fixed', '...results, ...goneDays(asked, results)', '...results'),
  asked(
    'what was broken before it was unknown',
    `wasBroken: last !== undefined && wasBroken(last)`,
    'wasBroken: false',
  ),
]

/** What is asked before anything is committed. */
const gates: readonly Mutation[] = [
  audit(
    'what breaks a check is not committed',
    '(broken.length === 0) return\n  const isKept',
    '(true) return\n  const isKept',
  ),
  audit('the input may hold up a table', '(broken.length === 0) return\n  throw', '(true) return\n  throw'),
  audit('other days of a file are not asked', 'where ${dayColumn} in (${dateList(part.days)})', ''),
  audit('the input is pinned', 'of === input.table ?', 'of === name ?'),
  audit('what cannot be decided is told', `outcome !== 'unknown'`, 'true'),
  candidate('a candidate is kept', 'if (candidates !== undefined) return true', ''),
]

/** The declared checks, each taken away. */
const checks: readonly Mutation[] = [
  ...eventFields.map((column) =>
    declared(
      `bronze: ${column} is not null`,
      `[...eventFields, 'event_date'].map`,
      `[...eventFields.filter((field) => field !== '${column}'), 'event_date'].map`,
    ),
  ),
  declared('bronze: event_date is not null', `[...eventFields, 'event_date'].map`, '[...eventFields].map'),
  declared('bronze: event_date is the day', '    reported(dayOfTimestamp),\n', ''),
  declared('bronze: the event is valid', `    { severity: 'quarantine', expectation: valid },\n`, ''),
  declared(
    'bronze: freshness',
    `    warn({ kind: 'freshness', column: 'kafka_timestamp', maxAgeHours: 24 }),\n`,
    '',
  ),
  declared('bronze: drift', `    warn({ kind: 'drift', within: 0.5 }),\n`, ''),
  declared('silver: unique', `    fail({ kind: 'unique', columns: ['event_date', 'event_id'] }),\n`, ''),
  declared('silver: event_date is the day', '    fail(dayOfTimestamp),\n', ''),
  declared('silver: the event is valid', '    fail(valid),\n', ''),
  declared('silver: an id is on one day', '    warn(idOnOneDay),\n', ''),
  declared('the day does not begin later', 'between 0 and 86399999999', '<= 86399999999'),
  declared('the day does not end before', 'between 0 and 86399999999', '>= 0'),
  declared('two days of an id', 'min(event_date) <> max(event_date)', 'false'),
  declared('quarantine: not valid', 'sql: `not ${isValid}`', 'sql: `true`'),
  declared('quarantine: a reason', `sql: 'len(reasons) > 0'`, `sql: 'true'`),
  declared('gold: unique', `    fail({ kind: 'unique', columns: grain }),\n`, ''),
  declared('gold: not null', `    ...grain.map((column) => fail({ kind: 'notNull', column })),\n`, ''),
  declared(
    'gold: days of silver',
    `    fail({ kind: 'references', columns: ['event_date'], relation: viewOf('silver/events') }),\n`,
    '',
  ),
  declared('gold: the checks of the metric', '    ...checks.map(fail),\n', ''),
  declared(
    'bronze holds nothing up',
    `severity: 'fail', expectation, blocks: []`,
    `severity: 'fail', expectation`,
  ),
  ...metricChecks('conversion-rate-daily', [
    ['conversion_rate', 'min: 0, max: 1'],
    ['total_purchases', 'min: 0'],
    ['dau_count', 'min: 1'],
  ]),
  ...metricChecks('events-per-source-daily', [['event_count', 'min: 1']]),
  ...metricChecks('purchases-per-page-daily', [['purchase_count', 'min: 1']]),
  ...metricChecks('daily-active-users', [['dau_count', 'min: 1']]),
]

function metricChecks(file: string, ends: readonly (readonly [string, string])[]): readonly Mutation[] {
  const mutation = of(`src/pipeline/model/metrics/${file}.ts`, 'src/pipeline/model/checks.test.ts')
  return ends.map(([column, end]) =>
    mutation(
      `gold: ${column} of ${file}`,
      `{ kind: 'between', column: '${column}', ${end} }`,
      `{ kind: 'between', column: '${column}', min: -99 }`,
    ),
  )
}

/** What makes an event valid, and what null is. */
const events: readonly Mutation[] = [
  rules('a missing value is a reason', '...requiredColumns.map(', '...requiredColumns.slice(1).map('),
  rules('an empty id', `event_id = ''`, 'false'),
  rules('a user above 0', 'user_id <= 0', 'user_id < 0'),
  rules('known types', 'event_type not in (${quoted(eventTypes)})', 'false'),
  rules('an empty page', `page = ''`, 'false'),
  rules('known sources', 'source not in (${quoted(sources)})', 'false'),
  rules('not before 1970', `timestamp < timestamp '1970-01-01 00:00:00+00'`, 'false'),
  rules(
    'not in the future',
    'timestamp > kafka_timestamp + interval',
    '"timestamp" < kafka_timestamp - interval',
  ),
  rules('null is as declared', `nulls === 'break'`, 'true'),
  rules('valid rows break no rule', '`not ${isBrokenBy(rule)}`', '`true`'),
]

/** The identities of the ledger, and the classes of the reconciliation. */
const book = of(
  'src/pipeline/reconcile/ledger/silver-rows.ts',
  'src/pipeline/reconcile/ledger/ledger.long.test.ts',
)
const digests = of(
  'src/pipeline/reconcile/ledger/silver-digests.ts',
  'src/pipeline/reconcile/ledger/silver-digests.test.ts',
)
const offsets = of(
  'src/pipeline/reconcile/ledger/landed-offsets.ts',
  'src/pipeline/reconcile/ledger/ledger.long.test.ts',
)
const summed = of(
  'src/pipeline/reconcile/ledger/landed-offsets.ts',
  'src/pipeline/reconcile/ledger/ledger.test.ts',
)
const again = of(
  'src/pipeline/reconcile/ledger/audit-silver.ts',
  'src/pipeline/reconcile/ledger/ledger.long.test.ts',
)
const sides = of('src/pipeline/reconcile/ledger/same-rows.ts', 'src/pipeline/reconcile/ledger/ledger.test.ts')
const windows = of(
  'src/pipeline/reconcile/window-verdict.ts',
  'src/pipeline/reconcile/reconcile.long.test.ts',
)

const books: readonly Mutation[] = [
  book(
    'other values than in bronze',
    'where bronze.content is distinct from made.content',
    'where (bronze.content is null) <> (made.content is null)',
  ),
  book(
    'valid, and not in silver',
    'when not is_made and not exists (',
    'when not is_made and false and not exists (',
  ),
  book('not valid, and not in quarantine', "then 'notQuarantined'", "then 'duplicate'"),
  book('valid, and in quarantine', ' or is_valid <> is_silver`', '`'),
  book('more than once in silver', '[suspected, judged, faulty, doubled]', '[suspected, judged, faulty]'),
  book(
    'two deliveries in silver',
    'group by event_date, hash(event_id) having count(*) > 1',
    'group by event_date, hash(event_id) having count(*) > 9',
  ),
  book(
    'the first delivery counts',
    '          < (suspects.kafka_timestamp',
    '          <> (suspects.kafka_timestamp',
  ),
  digests('digests of silver', 'coalesce(sum(valid_rest), 0) = 0', 'true'),
  digests('digests of quarantine', 'coalesce(sum(invalid_rest), 0) = 0', 'true'),
  digests('rows that are left out', 'kafka_offset) > 1', 'kafka_offset) > 0'),
  digests(
    'a row that stands twice in quarantine',
    'count(*) filter (where not is_valid) - count(distinct content) filter (where not is_valid) as twice',
    '0 as twice',
  ),
  summed('offsets of files that are others', 'known?.mark === mark)', 'known !== undefined)'),
  summed(
    'offsets beyond landing',
    'if (own.every(({ last }) => last < partition.next))',
    'if (own.length > -1)',
  ),
  offsets(
    'each offset, not their number alone',
    'if (areEqual(rows, expected))',
    'if (rows.count === expected.count)',
  ),
  offsets(
    'two rows of one offset',
    'having count(*) > ${copies} order',
    'having count(*) > ${copies + 9} order',
  ),
  offsets(
    'a message that is in neither table',
    'return emptyOffsets(log, { partition, from: offset(first.from), to: offset(last.to) }, { signal })',
    'return gaps',
  ),
  again(
    'bronze as it was audited before',
    'return earlier.digest === baseline.digest',
    'return earlier.digest !== undefined',
  ),
  again('what has changed is read again', 'known.mark !== markOfDay(date)', 'known.mark === undefined'),
  sides('rows of the other side alone', " union all ${only('right', 'right_rows', 'left_rows')})", ')'),
  windows('late events explain', "${isLate ? '0' : 'late'} as late", '0 as late'),
  windows('skipped messages explain', "${isLate ? '0' : 'skipped'} as skipped", '0 as skipped'),
  windows('further deliveries explain', "(class = 'duplicate')::int", '0'),
  windows(
    'a micro-batch across the cut',
    'n, 0, 0, 0, 0, 0 from (${countedAcross(table, log)})',
    'n, 0, 0, 0, 0, 0 from (${countedAcross(table, log)}) where false',
  ),
  windows('what nothing explains', ' or unexplained <> 0', ''),
  windows('no further than the cut', 'offset_to <= ${cut}', 'offset_to > -1'),
]

export const mutations: readonly Mutation[] = [...kinds, ...rows, ...gates, ...checks, ...events, ...books]
