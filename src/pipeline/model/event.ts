/** What flows through the platform: one thing that a user did. */
export const eventTypes = ['login', 'click', 'purchase', 'logout'] as const
export const sources = ['web', 'mobile'] as const

export type EventType = (typeof eventTypes)[number]
export type Source = (typeof sources)[number]

export interface UserEvent {
  readonly event_id: string
  /** Above 0, within int64. */
  readonly user_id: number
  readonly event_type: EventType
  readonly page: string
  /** ISO 8601, UTC where it names no zone. */
  readonly timestamp: string
  readonly source: Source
}

/** Its fields, in the order in which the producer writes them. */
export const eventFields = [
  'event_id',
  'user_id',
  'event_type',
  'page',
  'timestamp',
  'source',
] as const satisfies readonly (keyof UserEvent)[]
