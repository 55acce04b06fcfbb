/** `/metrics` of a process that has no console: on METRICS_PORT, and nothing without it. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LakeError, messageOf, systemCode } from '../../lib/base/errors.ts'
import type { Platform } from '../platform/compose.ts'
import { createExposition, type Exposition } from './exposition.ts'

/** Serves while the work runs. @throws LakeError `PORT_TAKEN`, `CONFIG_INVALID`. */
export async function withMetricsServer<T>(platform: Platform, work: () => Promise<T>): Promise<T> {
  const { metrics } = platform.config
  if (metrics === undefined) return await work()
  const exposition = createExposition({ stages: platform.stagesHere.readings })
  await using server = await serveMetrics(exposition, metrics)
  platform.logger.info({ url: server.url }, 'The metrics are served')
  return await work()
}

export interface MetricsServer extends AsyncDisposable {
  readonly url: string
}

/** @param place port 0: any free one. */
export async function serveMetrics(
  exposition: Exposition,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0]
    if (path !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('Here is /metrics alone\n')
      return
    }
    exposition.text().then(
      (text) => response.writeHead(200, { 'content-type': exposition.contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(`${messageOf(error)}\n`),
    )
  })
  await listen(server, host, port)
  const at = (server.address() as AddressInfo).port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${at}/metrics`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
  } catch (error) {
    const where = `${host}:${port}`
    if (systemCode(error) === 'EADDRINUSE') {
      throw new LakeError('PORT_TAKEN', `Metrics: something else listens on ${where}`, {
        cause: error,
        details: { host, port, fault: 'metrics' },
      })
    }
    throw new LakeError('CONFIG_INVALID', `Metrics: cannot listen on ${where}: ${messageOf(error)}`, {
      cause: error,
      details: { host, port, fault: 'metrics-place' },
    })
  }
}
