import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cached } from '../cache.ts'

/** The versions that can be started, and the logging that each takes. */
const LOGGING = {
  '4.3.1': { groupId: 'org.apache.logging.log4j', artifactId: 'log4j-slf4j-impl', version: '2.25.4' },
  '3.9.2': { groupId: 'org.slf4j', artifactId: 'slf4j-reload4j', version: '1.7.36' },
} as const

export type KafkaVersion = keyof typeof LOGGING

/** The class path of a version's server and tools: a folder of jars, `libs`, and the logging's settings beside it. */
export function kafkaFiles(version: KafkaVersion): Cached {
  return {
    name: 'kafka',
    version,
    tools: ['java', 'mvn'],
    async get(folder, run) {
      const pom = join(folder, 'pom.xml')
      await writeFile(pom, pomOf(version))
      await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${join(folder, 'libs')}`])
      await writeFile(join(folder, LOG_FILE[version]), LOG_SETTINGS[version])
    },
  }
}

/** The words that let a Java of this version find its classes and log warnings to standard error. */
export function javaWords(version: KafkaVersion, files: string): string[] {
  const settings = `file:${join(files, LOG_FILE[version])}`
  return [
    '-cp',
    join(files, 'libs', '*'),
    version === '3.9.2' ? `-Dlog4j.configuration=${settings}` : `-Dlog4j2.configurationFile=${settings}`,
  ]
}

function pomOf(version: KafkaVersion): string {
  const kafka = ['kafka_2.13', 'kafka-tools', 'connect-runtime', 'connect-file'].map((artifactId) => ({
    groupId: 'org.apache.kafka',
    artifactId,
    version,
  }))
  const dependencies = [...kafka, LOGGING[version]].map(
    ({ groupId, artifactId, version }) =>
      `<dependency><groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version></dependency>`,
  )
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>',
    '<groupId>millpond</groupId><artifactId>kafka</artifactId><version>1</version>',
    `<dependencies>${dependencies.join('\n')}</dependencies></project>`,
  ].join('\n')
}

const LOG_FILE: Readonly<Record<KafkaVersion, string>> = { '4.3.1': 'log4j2.properties', '3.9.2': 'log4j.properties' }

const LOG_SETTINGS: Readonly<Record<KafkaVersion, string>> = {
  '4.3.1': `appender.out.type=Console
appender.out.name=out
appender.out.target=SYSTEM_ERR
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
`,
  '3.9.2': `log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.target=System.err
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %m (%c)%n
`,
}
