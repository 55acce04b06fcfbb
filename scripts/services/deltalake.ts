/** delta-rs (PyPI `deltalake`): a test starts it, as a process that answers Python on its standard input. */
import { join } from 'node:path'
import { installVenv } from '../../src/lib/jupyter/python-venv.ts'
import type { Place, RunningService, Service } from './service.ts'

const pins = ['deltalake==1.6.6', 'pyarrow==26.0.0']
const program = join(import.meta.dirname, 'deltalake_peer.py')

export const deltalake: Service = {
  name: 'deltalake',
  install: async (place) => void (await installVenv('deltalake', pins, place)),
  async start(place: Place): Promise<RunningService> {
    const python = join(await installVenv('deltalake', pins, place), 'bin', 'python')
    return {
      env: { DELTALAKE_COMMAND: JSON.stringify([python, program]) },
      stop: async () => undefined,
    }
  },
}
