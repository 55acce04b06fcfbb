import { describe, expect, it } from 'vitest'
import { eventTypes, sources, type UserEvent } from '../model/event.ts'
import { faults } from './malformed.ts'
import { seededRandom } from './random.ts'

const event: UserEvent = {
  event_id: '0c4b5a3e-7b1e-4c43-9d0a-2f1c0e9b7a00',
  user_id: 7,
  event_type: 'click',
  page: '/home',
  timestamp: '2026-11-20T10:00:00.123Z',
  source: 'web',
}

/** The rules for an event of today, in words of this test. */
function isValid(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    )
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    const fields = new Map<string, unknown>(Object.entries(value))
    const texts = ['event_id', 'event_type', 'page', 'timestamp', 'source'].map((name) => fields.get(name))
    const user = fields.get('user_id')
    const time = Date.parse(String(fields.get('timestamp')))
    return (
      texts.every((text) => typeof text === 'string' && text !== '') &&
      Number.isInteger(user) &&
      Number(user) > 0 &&
      eventTypes.some((type) => type === fields.get('event_type')) &&
      sources.some((source) => source === fields.get('source')) &&
      time >= 0 &&
      time < Date.parse('2027-01-01')
    )
  } catch {
    return false
  }
}

describe('faults', () => {
  it('has a rule of its own to fail for an event that is right', () => {
    expect(isValid(Buffer.from(JSON.stringify(event)))).toBe(true)
  })

  it.each(Object.entries(faults))('makes an event invalid: %s', (_, fault) => {
    const random = seededRandom(1)

    for (let round = 0; round < 50; round++) {
      const bytes = fault(event, random)
      expect(isValid(bytes)).toBe(false)
      expect(bytes.includes(0x0a)).toBe(false)
    }
  })
})
