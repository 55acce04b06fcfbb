/** MariaDB in place of MySQL: the run store of the production profile. Its user owns `lake` and every `lake_…`. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aptInstall } from './apt.ts'
import { freePort, run, startServer, untilReady } from './command.ts'
import type { Place, RunningService, Service } from './service.ts'

export const mariadb: Service = {
  name: 'mariadb',

  install: (place) => aptInstall('mariadbd', ['mariadb-server'], place),

  async start({ scratchDir }: Place): Promise<RunningService> {
    const dir = join(scratchDir, 'mariadb')
    mkdirSync(dir, { recursive: true })
    const [port, socket, settings] = [await freePort(), join(dir, 'mysqld.sock'), join(dir, 'my.cnf')]
    const logFile = join(dir, 'mariadb.log')
    const isRoot = process.getuid?.() === 0
    writeFileSync(
      settings,
      [
        '[mariadbd]',
        ...(isRoot ? ['user=mysql'] : []),
        `datadir=${join(dir, 'data')}`,
        `socket=${socket}`,
        `pid-file=${join(dir, 'mysqld.pid')}`,
        `port=${port}`,
        'bind-address=127.0.0.1',
        'skip-name-resolve',
        'innodb_buffer_pool_size=64M',
        'character-set-server=utf8mb4',
        '',
      ].join('\n'),
    )
    if (isRoot) {
      // The server drops root's rights, and its folder lies in one that only root may enter.
      chmodSync(scratchDir, 0o711)
      await run('chown', ['mysql:', dir], { logFile })
    }
    await run(
      'mariadb-install-db',
      [`--defaults-file=${settings}`, '--skip-test-db', '--auth-root-authentication-method=socket'],
      { logFile },
    )
    // In a zone whose clocks are set back, as a server of somebody's may be.
    const env = { TZ: 'Europe/Berlin' }
    const server = startServer('mariadbd', [`--defaults-file=${settings}`], { logFile, env })
    const client = ['--no-defaults', `--socket=${socket}`]
    const isUp = (): boolean =>
      spawnSync('mariadb-admin', [...client, 'ping'], { stdio: 'ignore' }).status === 0
    await untilReady('mariadb', server, async () => isUp())

    const password = randomBytes(12).toString('hex')
    await run('mariadb', client, {
      logFile,
      input: [
        'create database lake;',
        `create user lake@'127.0.0.1' identified by '${password}';`,
        'grant all on `lake%`.* to lake@`127.0.0.1`;',
      ].join('\n'),
    })
    return {
      env: { METADATA_URL: `mysql://lake:${password}@127.0.0.1:${port}/lake` },
      stop: () => server.stop(),
    }
  },
}
