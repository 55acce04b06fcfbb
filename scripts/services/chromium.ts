/** A browser for the console's tests: Debian's Chromium, started by the tests themselves. */
import { aptInstall } from './apt.ts'
import { isInstalled } from './command.ts'
import type { RunningService, Service } from './service.ts'

export const chromium: Service = {
  name: 'chromium',
  install: (place) => aptInstall('chromium', ['chromium', 'fonts-noto-color-emoji'], place),
  async start(): Promise<RunningService> {
    if (!isInstalled('chromium')) throw new Error('chromium was installed, and is not on the path')
    return { env: { CHROMIUM: '/usr/bin/chromium' }, stop: async () => undefined }
  },
}
