/** Sail (PyPI `pysail`), a server of Spark Connect without a JVM: a cluster of two workers on this machine. */
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { installVenv } from '../../src/lib/jupyter/python-venv.ts'
import { freePort, startServer, untilReady } from './command.ts'
import type { Place, RunningService, Service } from './service.ts'

const pins = ['pysail==0.7.2']

const cluster = {
  SAIL_MODE: 'local-cluster',
  SAIL_CLUSTER__WORKER_INITIAL_COUNT: '2',
  SAIL_CLUSTER__WORKER_MAX_COUNT: '2',
  SAIL_CLUSTER__WORKER_TASK_SLOTS: '16',
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

export const sail: Service = {
  name: 'sail',

  install: async (place) => void (await installVenv('sail', pins, place)),

  async start(place: Place): Promise<RunningService> {
    const program = join(await installVenv('sail', pins, place), 'bin', 'sail')
    const port = await freePort()
    const args = ['spark', 'server', '--ip', '127.0.0.1', '--port']
    const server = startServer(program, [...args, String(port)], {
      logFile: join(place.scratchDir, 'sail.log'),
      env: cluster,
    })
    await untilReady('sail', server, () => isOpen(port))
    return {
      env: {
        SAIL_URL: `sc://127.0.0.1:${port}`,
        // A test that kills the server starts one of its own: its port is to be added.
        SAIL_COMMAND: JSON.stringify([
          'env',
          ...Object.entries(cluster).map(([k, v]) => `${k}=${v}`),
          program,
          ...args,
        ]),
      },
      stop: () => server.stop(),
    }
  },
}
