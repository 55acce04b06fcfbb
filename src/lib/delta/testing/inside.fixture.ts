/** What is inside of the library and behind no door, for tests and benchmarks elsewhere that write a log by hand. */
export { type Action, encodeActions } from '../log/actions.ts'
export { commitKey, version } from '../log/log-path.ts'
export { parsePredicate } from '../rows/predicate.ts'
export { pruneFiles } from '../rows/pruning.ts'
