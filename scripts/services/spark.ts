/**
 * Apache Spark with Delta, from Maven's artifacts. A test starts it, as a process that answers SQL on its standard
 * input; nothing runs before.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.ts'
import { installJars } from './maven.ts'
import type { Place, RunningService, Service } from './service.ts'

const sparkVersion = '4.0.0'
const deltaVersion = '4.0.0'
const dependencies = [
  `org.apache.spark:spark-sql_2.13:${sparkVersion}`,
  `io.delta:delta-spark_2.13:${deltaVersion}`,
  // Compiles our two classes where only a Java runtime is installed.
  'org.eclipse.jdt:ecj:3.38.0',
]
const sources = join(import.meta.dirname, 'spark')

/** What Spark needs of a Java that hides its insides. */
const opened = ['java.lang', 'java.lang.invoke', 'java.net', 'java.nio', 'java.util', 'java.util.concurrent']
const openedInside = ['sun.nio.ch', 'sun.nio.cs', 'sun.security.action', 'sun.util.calendar']

const install = (place: Place): Promise<string> => installJars(`spark-${sparkVersion}`, dependencies, place)

export const spark: Service = {
  name: 'spark',

  install: async (place) => void (await install(place)),

  async start(place: Place): Promise<RunningService> {
    const jars = join(await install(place), '*')
    const dir = join(place.scratchDir, 'spark')
    const classes = join(dir, 'classes')
    mkdirSync(classes, { recursive: true })
    const compiler = 'org.eclipse.jdt.internal.compiler.batch.Main'
    await run('java', ['-cp', jars, compiler, '--release', '17', '-nowarn', '-d', classes, sources], {
      logFile: join(dir, 'compiler.log'),
    })
    const command = [
      // Java takes the encoding of file names from here, and can write no `é` in one without it.
      'env',
      'LC_ALL=C.UTF-8',
      'java',
      '-Xmx1g',
      '-XX:+UseSerialGC',
      '-Duser.timezone=UTC',
      `-Dlog4j2.configurationFile=${join(sources, 'log4j2.properties')}`,
      '--add-modules=jdk.incubator.vector',
      ...opened.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
      ...openedInside.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
      '-cp',
      `${classes}:${jars}`,
      'SparkPeer',
      dir,
    ]
    return { env: { SPARK_COMMAND: JSON.stringify(command) }, stop: async () => undefined }
  },
}
