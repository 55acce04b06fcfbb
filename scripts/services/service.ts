/** What a real server is to the service tests: something to install once, start, point at, and stop. */

export interface Place {
  /** Outlives the run: jars, virtual environments. */
  readonly cacheDir: string
  /** Ends with the run: data, settings, logs. */
  readonly scratchDir: string
}

export interface RunningService {
  /** Variables that tell the tests where the service is. */
  readonly env: Readonly<Record<string, string>>
  /** Resolves when the service has ended. */
  stop(): Promise<void>
}

export interface Service {
  readonly name: string
  /** Idempotent, and quick when there is nothing left to do. */
  install(place: Place): Promise<void>
  start(place: Place): Promise<RunningService>
}

/** The machine lacks something that we cannot install: one line, exit 2. */
export class MissingTool extends Error {
  override readonly name = 'MissingTool'
}
