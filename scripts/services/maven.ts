/** Jars of Maven Central with all that they need, fetched once per list of coordinates. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requireTool, run } from './command.ts'
import type { Place } from './service.ts'

/** Two Mavens at a time would spoil each other's local repository. */
let turn: Promise<unknown> = Promise.resolve()

/** @param coordinates `group:artifact:version` each. @returns The folder of the jars. */
export async function installJars(
  name: string,
  coordinates: readonly string[],
  { cacheDir, scratchDir }: Place,
): Promise<string> {
  requireTool('java', `${name} needs a Java runtime, 17 or newer`)
  const home = join(cacheDir, name)
  const libs = join(home, 'libs')
  const complete = join(home, 'complete')
  const wanted = `${coordinates.join('\n')}\n`
  if (existsSync(complete) && readFileSync(complete, 'utf8') === wanted) return libs
  requireTool('mvn', `${name} comes from Maven Central`)
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  const pom = join(home, 'pom.xml')
  writeFileSync(pom, pomOf(name, coordinates))
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${libs}`]
  const fetched = turn.then(() =>
    run('mvn', ['-q', '-B', '-f', pom, ...goal], { logFile: join(scratchDir, `${name}-maven.log`) }),
  )
  turn = fetched.catch(() => undefined)
  await fetched
  writeFileSync(complete, wanted)
  return libs
}

function pomOf(name: string, coordinates: readonly string[]): string {
  const entries = coordinates.map((coordinate) => {
    const [group, artifact, release] = coordinate.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${release}</version></dependency>`
  })
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>lakeshore</groupId><artifactId>${name}-for-tests</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
${entries.join('\n')}
</dependencies>
</project>
`
}
