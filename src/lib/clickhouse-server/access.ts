/**
 * What a statement may do in the embedded engine, as a configuration file of ClickHouse.
 *
 * A client with the password may read and change tables. The engine then reads and writes no other file, opens no
 * connection and runs no program: it has no grant on a source (file, url, s3, mysql, executable, …), and may only use
 * table engines that keep their data in its own folder. The values of an INSERT are literals, because an expression
 * among them could call the function `file`. ClickHouse documentation, "Access Rights".
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const privileges = [
  'CHECK',
  'SHOW',
  'SELECT',
  'INSERT',
  'ALTER',
  'CREATE DATABASE',
  'CREATE TABLE',
  'CREATE VIEW',
  'CREATE TEMPORARY TABLE',
  'CREATE FUNCTION',
  'DROP',
  'UNDROP TABLE',
  'TRUNCATE',
  'OPTIMIZE',
  'KILL QUERY',
  'dictGet',
]

const tableEngines = [
  'AggregatingMergeTree',
  'Buffer',
  'CoalescingMergeTree',
  'CollapsingMergeTree',
  'Join',
  'Log',
  'MaterializedView',
  'Memory',
  'Merge',
  'MergeTree',
  'Null',
  'ReplacingMergeTree',
  'Set',
  'StripeLog',
  'SummingMergeTree',
  'TinyLog',
  'VersionedCollapsingMergeTree',
  'View',
  // Engines of databases are granted by the same name.
  'Atomic',
]

const fixedSettings = [
  'input_format_values_interpret_expressions',
  'input_format_values_deduce_templates_of_expressions',
]

function configuration(path: string): string {
  const grants = [
    `GRANT ${privileges.join(', ')} ON *.*`,
    ...tableEngines.map((name) => `GRANT TABLE ENGINE ON ${name}`),
  ]
  return `<clickhouse>
  <users_config>${path.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</users_config>
  <access_control_improvements>
    <table_engines_require_grant>true</table_engines_require_grant>
  </access_control_improvements>
  <users>
    <default>
      <password></password>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
        ${grants.map((grant) => `<query>${grant}</query>`).join('\n        ')}
      </grants>
    </default>
  </users>
  <profiles>
    <default>
      ${fixedSettings.map((name) => `<${name}>0</${name}>`).join('\n      ')}
      <constraints>
        ${fixedSettings.map((name) => `<${name}><readonly/></${name}>`).join('\n        ')}
      </constraints>
    </default>
  </profiles>
  <quotas><default/></quotas>
</clickhouse>
`
}

/** Writes the file into `folder`. @returns its path, for the engine's `--config-file`. */
export async function writeAccess(folder: string): Promise<string> {
  const path = join(folder, 'access.xml')
  await writeFile(path, configuration(path), { mode: 0o600 })
  return path
}
