/** What is too large to be read at once is listed here with the reason; what is listed and no longer so fails. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { isTest } from './house.ts'

const root = join(import.meta.dirname, '../..')
const filesOfFolder = 25
const linesOfFunction = 60

/** Folder → why it holds more files. */
const fullFolders: Readonly<Record<string, string>> = {
  'src/lib/delta/testing/faults':
    'each fault has its runner, its suite and its two tests: for `npm test`, and for `npm run test:long`',
}

/** `file:function` → why it is longer. */
const longFunctions: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      'src/lib/clickhouse-server/engine.ts:openEngine',
      'src/lib/clickhouse-server/server.ts:serve',
      'src/lib/clickhouse/client.ts:openClickHouse',
      'src/lib/eventlog/eventlog.memory.ts:createMemoryEventLog',
      'src/lib/runs/control/run-queue.ts:createRunQueue',
      'src/lib/runs/control/backfill-book.ts:createBackfillBook',
      'src/lib/runs/leases.ts:createLeases',
      'src/lib/runs/release-book.ts:createReleaseBook',
      'src/lib/runs/replay/replay-book.ts:createReplayBook',
      'src/lib/runs/run-book.ts:createRunBook',
      'src/lib/runs/run-book.ts:recorder',
      'src/lib/runs/ticks.ts:createTicks',
      'src/pipeline/platform/compose.ts:openPlatform',
    ].map((name) => [name, 'a factory: its parts are the methods of one object, which share its state']),
  ),
  ...Object.fromEntries(
    [
      'src/cli/table/table-maintain.ts:addTableMaintain',
      'src/cli/table/table-write.ts:addTableWrite',
      'src/cli/table/table.ts:addTable',
    ].map((name) => [name, 'declares the options of its commands, one after the other']),
  ),
  'src/lib/clickhouse-server/http.ts:answer': 'one request from its first byte to its answer, in order',
  'src/lib/dag/execute.ts:execute': 'one loop over the nodes, whose states its closures share',
  'src/lib/delta/change/merge/merge-plan.ts:stageMerged': 'one statement of SQL, from top to bottom',
  'src/pipeline/model/event-rules.ts:parsedMessages': 'one statement of SQL, from top to bottom',
}

const source = (folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
    .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))

const files = ['src', 'scripts', 'bench', 'examples'].flatMap(source)

function foldersOver(limit: number): readonly string[] {
  const counts = new Map<string, number>()
  for (const file of files) {
    const folder = file.slice(0, file.lastIndexOf('/'))
    counts.set(folder, (counts.get(folder) ?? 0) + 1)
  }
  return [...counts].filter(([, count]) => count > limit).map(([folder]) => folder)
}

function functionsOver(limit: number, path: string): readonly string[] {
  const text = readFileSync(join(root, path), 'utf8')
  if (text.split('\n').length <= limit) return []
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
  const found: string[] = []
  const lineOf = (position: number): number => file.getLineAndCharacterOfPosition(position).line
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const lines = lineOf(node.getEnd()) - lineOf(node.getStart()) + 1
      if (lines > limit) found.push(`${path}:${nameOf(node)}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name !== undefined) return node.name.getText()
  const { parent } = node
  return ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)
    ? parent.name.getText()
    : 'a nameless function'
}

describe('the size of the rooms', () => {
  it(`is ${filesOfFolder} files a folder, unless listed with the reason`, () => {
    expect(foldersOver(filesOfFolder).toSorted()).toEqual(Object.keys(fullFolders).toSorted())
  })

  it(`is ${linesOfFunction} lines a function, unless listed with the reason`, () => {
    const found = files
      .filter((path) => !isTest(path.replace(/^src\//, '')))
      .flatMap((path) => functionsOver(linesOfFunction, path))

    expect(found.toSorted()).toEqual(Object.keys(longFunctions).toSorted())
  })
})
