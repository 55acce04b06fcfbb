/** The `lake` command as JavaScript, with the server that it starts. */
import { buildModules } from '../lib/base/built.fixture.ts'

/** @returns what Node runs. */
export async function buildLake(): Promise<string> {
  const built = await buildModules(['cli/main.ts', 'lib/clickhouse-server/server.main.ts'])
  return built.fileOf('cli/main.ts')
}
