/** `npm run notebook`, asked as a browser asks it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { embeddedEnvironment } from '../../pipeline/platform/environment.fixture.ts'
import { projectFolder } from './places.ts'

let home = ''
let lab: ChildProcess | undefined
let ended: Promise<number | null> | undefined
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-lab-'))
})
afterEach(async () => {
  // JupyterLab is ended by its parent alone.
  lab?.kill('SIGTERM')
  await ended
  await rm(home, { recursive: true, force: true, maxRetries: 5 })
})

const folder = z.object({ content: z.array(z.object({ name: z.string() })) })
const plugin = z.object({
  schema: z.object({ properties: z.record(z.string(), z.looseObject({ default: z.unknown() })) }),
})

describe('npm run notebook', () => {
  it('shows the own folder and the lessons in it, asks for no news, and ends when it is told to', async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/notebook.ts', '--no-browser'], {
      cwd: projectFolder,
      env: {
        ...embeddedEnvironment(home),
        LAKESHORE_NOTEBOOKS: join(home, 'own'),
        JUPYTER_VENV: process.env['JUPYTER_VENV'],
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    lab = child
    ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    await expect.poll(() => said, { timeout: 240_000 }).toContain('Ctrl-C ends it.')

    const { origin, pathname, search } = new URL(/JupyterLab: (\S+)/.exec(said)?.[1] ?? '')
    const ask = async <T>(path: string, schema: z.ZodType<T>): Promise<T> =>
      schema.parse(await (await fetch(`${origin}${path}${search}`)).json())
    const namesIn = async (path: string): Promise<readonly string[]> =>
      (await ask(`/api/contents/${path}`, folder)).content.map(({ name }) => name)

    expect(said).toContain('The lake is empty: `npm start`')
    expect(pathname).toBe('/lab/tree/lessons/01-first-look.ipynb')
    expect(await namesIn('')).toEqual(['lessons'])
    const lessons = await namesIn('lessons')
    expect(lessons).toContain('01-first-look.ipynb')
    expect(lessons).not.toContain('node_modules')
    const news = await ask('/lab/api/settings/@jupyterlab/apputils-extension:notification', plugin)
    expect(news.schema.properties['fetchNews']?.default).toBe('false')

    child.kill('SIGINT')
    expect(await ended).toBe(0)
  })
})
