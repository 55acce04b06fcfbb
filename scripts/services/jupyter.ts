/** Jupyter in an environment of its own, for the tests that execute notebooks. */
import { installVenv } from './python.ts'
import type { Place, RunningService, Service } from './service.ts'

const pins = [
  'jupyterlab==4.6.6',
  'nbconvert==7.17.2',
  'nbclient==0.11.0',
  'ipykernel==7.4.0',
  'plotly==7.1.0',
]

export const jupyter: Service = {
  name: 'jupyter',
  install: async (place) => void (await installVenv('jupyter', pins, place)),
  async start(place: Place): Promise<RunningService> {
    return { env: { JUPYTER_VENV: await installVenv('jupyter', pins, place) }, stop: async () => undefined }
  },
}
