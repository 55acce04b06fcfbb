/** Where messages go: the event log, or a file of lines. */
import type { EventLog } from '../../lib/eventlog/eventlog.ts'

export type MessageSink = Pick<EventLog, 'append'>
