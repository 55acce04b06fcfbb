/** For tests: a server before a server, which passes all on until it is told to stall without dying. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** `unheard`: requests are taken and go no further. `unanswered`: they are carried out, and nobody is told. */
export type Stall = 'none' | 'unheard' | 'unanswered'

export interface StallingServer extends AsyncDisposable {
  readonly url: string
  stall: Stall
  /** How many requests were left without an answer. */
  readonly stalled: number
}

export async function stallBefore(target: string): Promise<StallingServer> {
  const state = { stall: 'none' as Stall, stalled: 0 }
  const server = createServer((asked, answer) => {
    const { stall } = state
    if (stall === 'unheard') {
      asked.resume().on('end', () => state.stalled++)
      return
    }
    const { method, url } = asked
    const headers = { ...asked.headers, host: new URL(target).host }
    const passed = request(new URL(url ?? '/', target), { method, headers }, (answered) => {
      if (stall === 'unanswered') {
        answered.resume().on('end', () => state.stalled++)
        return
      }
      answer.writeHead(answered.statusCode ?? 500, answered.headers)
      answered.pipe(answer)
    })
    passed.on('error', () => answer.destroy())
    asked.pipe(passed)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  // A TCP server's address is an AddressInfo.
  const { port } = server.address() as AddressInfo
  return Object.assign(state, {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  })
}
