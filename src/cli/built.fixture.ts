/** The `lake` command as JavaScript, with the server that it starts. */
import { buildModules } from '../lib/base/built.fixture.ts'

export interface BuiltLake extends AsyncDisposable {
  /** What Node runs. */
  readonly main: string
}

export async function buildLake(): Promise<BuiltLake> {
  const built = await buildModules(['cli/main.ts', 'lib/clickhouse-server/server.main.ts'])
  return { main: built.fileOf('cli/main.ts'), [Symbol.asyncDispose]: () => built[Symbol.asyncDispose]() }
}
