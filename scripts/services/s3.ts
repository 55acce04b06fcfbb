/** An S3-compatible object store: moto. It keeps everything in memory and lets any key pass. */
import { join } from 'node:path'
import { installVenv } from '../../src/lib/jupyter/python-venv.ts'
import { freePort, startServer, untilReady } from './command.ts'
import type { Place, RunningService, Service } from './service.ts'

const pins = ['moto[s3,server]==5.2.5']

export const s3: Service = {
  name: 's3',

  install: async (place) => void (await installVenv('moto', pins, place)),

  async start(place: Place): Promise<RunningService> {
    const venv = await installVenv('moto', pins, place)
    const port = await freePort()
    const program = join(import.meta.dirname, 's3_server.py')
    const server = startServer(join(venv, 'bin', 'python'), [program, String(port)], {
      logFile: join(place.scratchDir, 's3.log'),
    })
    const endpoint = `http://127.0.0.1:${port}`
    await untilReady('s3', server, () =>
      fetch(endpoint).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    return {
      env: { S3_ENDPOINT: endpoint, S3_ACCESS_KEY: 'access', S3_SECRET_KEY: 'secret' },
      stop: () => server.stop(),
    }
  },
}
