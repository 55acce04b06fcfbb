/** Jupyter in an environment of its own, for the tests that execute notebooks. */
import { installVenv, jupyterPins as pins } from '../../src/lib/jupyter/python-venv.ts'
import type { Place, RunningService, Service } from './service.ts'

export const jupyter: Service = {
  name: 'jupyter',
  install: async (place) => void (await installVenv('jupyter', pins, place)),
  async start(place: Place): Promise<RunningService> {
    return { env: { JUPYTER_VENV: await installVenv('jupyter', pins, place) }, stop: async () => undefined }
  },
}
