/** `deploy/kubernetes`, as far as its text can show: held to the declarations that it repeats. No cluster is asked. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { routes } from '../console/routes/index.ts'
import { readConfig, variables } from '../pipeline/platform/config.ts'
import type { BeatingStage } from '../pipeline/platform/heartbeat.ts'

const root = join(import.meta.dirname, '../..')
const folder = join(root, 'deploy/kubernetes')
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'))
const documentsOf = (file: string): unknown[] =>
  parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as unknown
  })

const probe = z.object({
  httpGet: z.object({ path: z.string(), port: z.string() }).optional(),
  exec: z.object({ command: z.array(z.string()) }).optional(),
  tcpSocket: z.object({ port: z.string() }).optional(),
})
const container = z.strictObject({
  name: z.string(),
  image: z.literal('lakeshore'),
  command: z.array(z.string()),
  envFrom: z.tuple([z.object({ configMapRef: z.object({ name: z.literal('lakeshore') }) })]),
  env: z.array(
    z.object({
      name: z.string(),
      value: z.string().optional(),
      valueFrom: z.object({ secretKeyRef: z.object({ name: z.string(), key: z.string() }) }).optional(),
    }),
  ),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })),
  livenessProbe: probe,
  readinessProbe: probe,
  resources: z.object({
    requests: z.object({ cpu: z.string(), memory: z.string() }),
    limits: z.object({ memory: z.string() }),
  }),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
})
const labels = z.record(z.string(), z.string())
const deployment = z.object({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('Deployment'),
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    replicas: z.number().int().positive(),
    selector: z.object({ matchLabels: labels }),
    template: z.object({
      metadata: z.object({ labels, annotations: labels }),
      spec: z.object({
        serviceAccountName: z.literal('lakeshore'),
        automountServiceAccountToken: z.literal(false),
        // A stage ends within 10 s of SIGTERM.
        terminationGracePeriodSeconds: z.number().min(20),
        securityContext: z.object({
          runAsNonRoot: z.literal(true),
          runAsUser: z.literal(1000),
          fsGroup: z.literal(1000),
          seccompProfile: z.object({ type: z.literal('RuntimeDefault') }),
        }),
        containers: z.tuple([container]),
        volumes: z.array(
          z.object({
            name: z.string(),
            secret: z
              .object({
                secretName: z.string(),
                items: z.array(z.object({ key: z.string(), path: z.string() })),
              })
              .optional(),
          }),
        ),
      }),
    }),
  }),
})
type Deployment = z.infer<typeof deployment>

const named = z.object({ kind: z.string(), metadata: z.object({ name: z.string() }) })
const all = files.filter((file) => file !== 'kustomization.yaml').flatMap(documentsOf)
const ofKind = (kind: string): unknown[] => all.filter((document) => named.parse(document).kind === kind)
const deployments = ofKind('Deployment').map((document) => deployment.parse(document))
const [shared = {}] = ofKind('ConfigMap').map((document) => z.object({ data: labels }).parse(document).data)

const partsOf = ({ metadata, spec }: Deployment) => {
  const { volumes, containers } = spec.template.spec
  const [inside] = containers
  const mount = inside.volumeMounts.find(({ name }) => name === 'secrets')?.mountPath ?? ''
  const items = volumes.flatMap(({ secret }) => secret?.items ?? [])
  return { name: metadata.name, inside, mount, items }
}

const scratch = mkdtempSync(join(tmpdir(), 'lakeshore-kubernetes-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** What a stage finds in its environment, its secrets read from files of ours. */
function environmentOf(found: Deployment): Record<string, string> {
  const { inside, mount, items } = partsOf(found)
  for (const { path } of items) writeFileSync(join(scratch, path), 'sixteen-characters')
  const own = inside.env.map(({ name, value }) => [name, value?.replace(mount, scratch) ?? 'from-a-secret'])
  return { ...shared, ...Object.fromEntries(own) }
}

describe('deploy/kubernetes', () => {
  it('has the stages, each by its command', () => {
    expect(
      Object.fromEntries(
        deployments.map((each) => [each.metadata.name, partsOf(each).inside.command.join(' ')]),
      ),
    ).toEqual({
      landing: 'node dist/cli/main.js land',
      realtime: 'node dist/cli/main.js realtime',
      schedule: 'node dist/cli/main.js schedule',
      console: 'node dist/cli/main.js console',
      producer: 'node dist/cli/main.js produce',
    })
  })

  it('applies every file but the producer of made-up events', () => {
    const [kustomization] = documentsOf('kustomization.yaml')
    const { resources, images } = z
      .object({
        resources: z.array(z.string()),
        images: z.array(z.object({ name: z.string(), newTag: z.string() })),
      })
      .parse(kustomization)

    expect([...resources, 'kustomization.yaml', 'producer.yaml'].toSorted()).toEqual(files.toSorted())
    const { version } = z
      .object({ version: z.string() })
      .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
    expect(images).toEqual([expect.objectContaining({ name: 'lakeshore', newTag: version })])
  })

  it('sets variables that there are, and no secret in plain', () => {
    const known = new Map<string, { readonly secret?: boolean }>(Object.entries(variables))
    const names = [
      ...Object.keys(shared),
      ...deployments.flatMap((each) => partsOf(each).inside.env.map(({ name }) => name)),
    ]

    for (const name of names) {
      const whole = name.replace(/_FILE$/, '')
      expect([name, known.has(whole)]).toEqual([name, true])
      expect([name, known.get(whole)?.secret === true]).toEqual([name, name.endsWith('_FILE')])
    }
  })

  it.each(
    deployments.map((each) => [each.metadata.name, each] as const),
  )('gives %s a configuration that it takes, of production parts alone', (_name, found) => {
    const config = readConfig(environmentOf(found))

    expect(config.kafka?.brokers).toHaveLength(3)
    expect(config.lakeUri).toMatch(/^s3:/)
    expect(config.clickhouse?.url).toBe('http://clickhouse:8123')
    expect(config.metadata).toMatchObject({
      url: expect.stringMatching(/^mysql:/),
      password: 'sixteen-characters',
    })
    expect(config.metrics).toMatchObject({ host: '0.0.0.0' })
  })

  it('mounts the secrets that a stage names, and no others', () => {
    for (const each of deployments) {
      const { name, inside, mount, items } = partsOf(each)
      const asked = inside.env.flatMap(({ value = '' }) =>
        value.startsWith(`${mount}/`) ? [value.slice(mount.length + 1)] : [],
      )
      expect([name, items.map(({ path }) => path).toSorted()]).toEqual([name, asked.toSorted()])
    }
  })

  it('says how to make every key of the secret', () => {
    const guide = readFileSync(join(folder, 'README.md'), 'utf8')
    const keys = deployments.flatMap((each) => {
      const { inside, items } = partsOf(each)
      return [
        ...items.map(({ key }) => key),
        ...inside.env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef.key ?? []),
      ]
    })
    const made = [...guide.matchAll(/--from-file=(?<key>\w+)/g)].map(({ groups }) => groups?.['key'])

    expect([...new Set(keys)].toSorted()).toEqual(made.toSorted())
  })

  it('asks each stage for its heartbeat and its metrics on the port where they are', () => {
    const stages: Readonly<Record<string, BeatingStage>> = {
      landing: 'landing',
      realtime: 'realtime',
      schedule: 'scheduler',
      producer: 'producer',
    }
    for (const each of deployments) {
      const { name, inside } = partsOf(each)
      const stage = stages[name]
      if (stage === undefined) continue
      expect(inside.livenessProbe.exec?.command.at(-1)).toContain(
        `"$LAKE_HOME/heartbeat/${stage}.$(hostname)"`,
      )
      expect(inside.readinessProbe.httpGet).toEqual({ path: '/metrics', port: 'metrics' })
      expect(inside.ports).toEqual([{ name: 'metrics', containerPort: Number(shared['METRICS_PORT']) }])
    }
  })

  it('asks the console on its port, by a route that there is', () => {
    const found = deployments.find(({ metadata }) => metadata.name === 'console')
    const { inside } = found === undefined ? {} : partsOf(found)
    const path = /'(?<path>\/api\/\w+)'/.exec(inside?.readinessProbe.exec?.command.at(-1) ?? '')?.groups?.[
      'path'
    ]

    expect(routes.map((route) => route.path)).toContain(path)
    expect(inside?.ports).toEqual([
      { name: 'http', containerPort: Number(inside?.env.find(({ name }) => name === 'CONSOLE_PORT')?.value) },
    ])
  })

  it('selects its own pods, and lets one pod of a shared stage go at a time', () => {
    for (const { metadata, spec } of deployments) {
      expect(spec.selector.matchLabels).toEqual({ app: metadata.name })
      expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels)
      const { inside } = partsOf(
        deployment.parse({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec }),
      )
      expect(spec.template.metadata.annotations['prometheus.io/port']).toBe(
        String(inside.ports[0]?.containerPort),
      )
    }
    const budgets = ofKind('PodDisruptionBudget').map((each) =>
      z
        .object({
          spec: z.object({ maxUnavailable: z.literal(1), selector: z.object({ matchLabels: labels }) }),
        })
        .parse(each),
    )
    const shares = deployments
      .filter(({ spec }) => spec.replicas > 1)
      .map(({ metadata }) => ({ app: metadata.name }))
    expect(budgets.map(({ spec }) => spec.selector.matchLabels)).toEqual(shares)
  })
})
