import { describe, expect, it } from 'vitest'
import { redactor } from './redact.ts'

describe('redactor(secrets)(line)', () => {
  const line = (record: object): string => `${JSON.stringify(record)}\n`

  it('takes a secret out of texts, nested ones and names too, and leaves the line JSON', () => {
    const redact = redactor(['s3cr"et\\', '12345678', 'info'])

    const cleaned = redact(
      line({
        level: 'info',
        message: 'GET https://u:s3cr"et\\@host',
        deep: [{ 's3cr"et\\': { pin: 12_345_678 } }, null, true],
      }),
    )

    expect(cleaned.endsWith('}\n')).toBe(true)
    expect(JSON.parse(cleaned)).toEqual({
      level: 'info',
      message: 'GET https://u:[secret]@host',
      deep: [{ '[secret]': { pin: '[secret]' } }, null, true],
    })
  })

  it('takes out the longer of two secrets first', () => {
    expect(redactor(['pass', 'password'])(line({ message: 'password' }))).toContain('"[secret]"')
  })

  it('leaves a line without a secret byte for byte, and knows no secret of three letters', () => {
    const odd = '{"message":"lake",  "n":1e400}\n'

    expect(redactor(['key', 'token'])(odd)).toBe(odd)
  })
})
