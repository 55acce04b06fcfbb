import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openCliHome } from '../cli.fixture.ts'

const event = (id: string, more: object = {}): string =>
  JSON.stringify({
    event_id: id,
    user_id: 7,
    event_type: 'click',
    page: '/',
    timestamp: '2026-11-20T10:00:00Z',
    source: 'web',
    ...more,
  })

it('counts the unknown fields of events by type, over commits, once, with a sample from the log', async () => {
  await using home = await openCliHome({ LANDING_MAX_ROWS: '2' })
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-drift-'))
  const send = async (...lines: readonly string[]): Promise<void> => {
    await writeFile(join(folder, 'lines'), lines.join('\n'))
    await home.lake('produce', '--from', join(folder, 'lines'))
    await home.lake('land', '--drain')
  }
  const drift = async (...words: readonly string[]) =>
    JSON.parse((await home.lake('stream', 'drift', ...words, '--json')).stdout)
  try {
    await send(event('a'), '{"no":"event"}')
    const before = await drift()
    await send(
      event('b', { campaign: 'x', 'a.b': 1 }),
      event('c', { campaign: 'x' }),
      event('d', { campaign: 'x' }),
      event('e', { campaign: { id: 12345678901234567890n.toString() } }),
      event('f', { page: 7, campaign: 'not an event' }),
    )
    await home.lake('land', '--drain')
    await home.lake('table', 'optimize', 'bronze/events', '--force')

    const { fields } = await drift()
    const shown = await home.lake('stream', 'drift')
    const rejected = JSON.parse((await home.lake('rejected', 'list', '--json')).stdout)

    expect(before.fields).toEqual([])
    expect(fields).toMatchObject([
      { field: 'campaign', type: 'VARCHAR', count: 3, sample: { value: 'x' } },
      { field: 'a.b', type: 'UBIGINT', count: 1, sample: { value: 1 } },
      { field: 'campaign', type: 'OBJECT', count: 1, sample: { value: { id: '12345678901234567890' } } },
    ])
    expect(shown.stdout).toContain('campaign')
    // A field of another type than the known one is no silent null.
    expect(rejected.reasons).toContainEqual(expect.objectContaining({ reason: 'page_not_text', letters: 1 }))
    expect((await drift('--since', '2999-01-01')).fields).toEqual([])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
