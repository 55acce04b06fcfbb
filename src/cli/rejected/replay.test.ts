import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CliHome, openCliHome } from '../cli.fixture.ts'

const torn = (id: string): string =>
  `{"event_id":"${id}","user_id":7,"event_type":"click","page":"/","timestamp":"2026-11-20T10:00:00Z","source":"web"`

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-fix-'))
  await writeFile(join(folder, 'torn.ndjson'), ['a', 'b', 'c'].map(torn).join('\n'))
  await writeFile(
    join(folder, 'fix.ts'),
    `interface Message { readonly text: string | null }
     export default ({ text }: Message): string | undefined => (text?.includes('"c"') ? undefined : \`\${text}}\`)`,
  )
  await writeFile(join(folder, 'fix.mjs'), 'export default ({ text }) => ({ value: text + "}", key: "8" })')
  await writeFile(join(folder, 'throws.mjs'), 'export default () => { throw new Error("no idea") }')
  await writeFile(join(folder, 'broken.ts'), 'export default ({')
  await writeFile(join(folder, 'number.mjs'), 'export default 7')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function openHome(): Promise<CliHome> {
  const home = await openCliHome()
  await home.lake('produce', '--from', join(folder, 'torn.ndjson'))
  await home.lake('land', '--drain')
  return home
}

describe('lake rejected replay', () => {
  it('shows what it would send, sends it once, and says so afterwards', async () => {
    await using home = await openHome()
    const replay = (...words: readonly string[]) =>
      home.lake('rejected', 'replay', '--fix', join(folder, 'fix.ts'), ...words, '--json')

    const dry = JSON.parse((await replay('--dry-run')).stdout)
    const before = JSON.parse((await home.lake('land', '--drain', '--json')).stdout)
    const first = JSON.parse((await replay('--note', 'the shop cuts off')).stdout)
    const after = JSON.parse((await home.lake('land', '--drain', '--json')).stdout)
    const second = await replay()
    const replays = JSON.parse((await home.lake('rejected', 'replays', '--json')).stdout)
    const shown = JSON.parse((await home.lake('rejected', 'replays', '1', '--json')).stdout)

    expect(dry).toMatchObject({ dryRun: true, wouldSend: 2, left: 1, refused: { count: 0 } })
    expect(before).toMatchObject({ events: 0 })
    expect(first).toMatchObject({ replay: 1, sent: 2, left: 1 })
    expect(first.messages).toEqual([
      { partition: expect.any(Number), offset: expect.any(Number), to: first.messages[0].to },
      { partition: expect.any(Number), offset: expect.any(Number), to: first.messages[1].to },
    ])
    expect(first.messages[0].to.partition).toBe(first.messages[1].to.partition)
    expect(after).toMatchObject({ events: 2, rejected: 0 })
    expect(second.exitCode).toBe(0)
    expect(JSON.parse(second.stdout)).toMatchObject({ replay: null, sent: 0, left: 1 })
    expect(replays).toMatchObject([
      { replay: 1, note: 'the shop cuts off', actor: expect.stringContaining(' on '), outcome: { sent: 2 } },
    ])
    expect(shown.messages).toMatchObject(first.messages)
  })

  it('shows of a long message the part that the script changes', async () => {
    await using home = await openHome()

    const { stdout } = await home.lake('rejected', 'replay', '--fix', join(folder, 'fix.ts'), '--dry-run')

    expect(stdout).toMatch(/…\S*Z","source":"web" +│ …\S*Z","source":"web"\} +│/)
  })

  it('lists what a script does not mend, sends nothing of it, and exits 1', async () => {
    await using home = await openHome()

    const failed = await home.lake('rejected', 'replay', '--fix', join(folder, 'throws.mjs'))
    const plain = await home.lake('rejected', 'replay')
    const mended = await home.lake('rejected', 'replay', '--fix', join(folder, 'fix.mjs'), '--json')

    expect(failed.exitCode).toBe(1)
    expect(failed.stdout).toContain('nothing was sent; 3 refused, 0 left')
    expect(failed.stdout).toContain('fix_failed: no idea')
    expect(plain.exitCode).toBe(1)
    expect(plain.stdout).toContain('json_invalid')
    expect(plain.stdout).toContain('--fix SCRIPT')
    expect(mended.exitCode).toBe(0)
    expect(JSON.parse(mended.stdout)).toMatchObject({ sent: 3 })
  })

  it.each([
    ['broken.ts', 1, 'fix script'],
    ['number.mjs', 1, 'expected a function as its default export'],
    ['missing.ts', 2, 'missing.ts'],
  ])('refuses the script %s before it looks at a message', async (script, code, said) => {
    await using home = await openHome()

    const { exitCode, stderr } = await home.lake('rejected', 'replay', '--fix', join(folder, script))

    expect(exitCode).toBe(code)
    expect(stderr).toContain(said)
  })
})
