import { basename, join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { writeFileAtomic } from '../../io/disk.js';
import { defineLauncher, makeWorkersFolder, type Workers, type WorkersRequest } from './launcher.js';
import { readProgram, runProgram } from './run-program.js';

/** Time that a terminated pod has to save its trial. */
const GRACE_PERIOD_SECONDS = 120;
/** Maximum length of a name in Kubernetes (RFC 1123). */
const MAX_NAME_LENGTH = 63;

const jobOptions = {
  image: z.string().min(1).describe('Container image with mtl'),
  command: z.array(z.string()).min(1).default(['npx', 'mtl']).describe('Command that runs mtl in the container'),
  volumes: z
    .record(z.string(), z.string().startsWith('/'))
    .describe('Volume claims and mount paths; study, config and data need the same paths as here'),
  namespace: z.string().default('default'),
  resources: z
    .strictObject({ cpu: z.union([z.string(), z.number()]).optional(), memory: z.string().optional() })
    .default({})
    .describe('Resource requests and limits of a worker'),
};
/** The fields of a Job (batch/v1) that are read. */
const jobSchema = z.looseObject({
  kind: z.literal('Job'),
  status: z
    .looseObject({ conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).optional() })
    .optional(),
});
type JobOptions = z.output<z.ZodObject<typeof jobOptions, z.core.$strict>>;

/** Kubernetes Indexed Job. Workers whose pods are evicted restart and resume. */
export const kubernetes = defineLauncher({
  name: 'kubernetes',
  summary: 'Kubernetes Indexed Job through kubectl, one worker per index',
  options: () => jobOptions,
  isHere: false,
  build: (options) => (request) => launch(request, options),
});

async function launch(request: WorkersRequest, options: JobOptions): Promise<Workers> {
  const path = join(await makeWorkersFolder(request.study), 'job.yaml');
  await writeFileAtomic(path, stringify(jobManifest(request, options)));
  const inNamespace = ['--namespace', options.namespace];
  // A generated name, because a Job cannot be restarted.
  const job = await readProgram(
    'kubectl',
    ['create', ...inNamespace, '--filename', path, '--output', 'name'],
    'the name of a Job, such as job.batch/mtl-esmm-x7k2p',
    (printed) => /^job\S*\/\S+$/m.exec(printed)?.[0],
  );
  return {
    where: `${request.count} in Kubernetes ${job}, manifest ${path}`,
    async areAlive() {
      const { status } = await readProgram(
        'kubectl',
        ['get', ...inNamespace, job, '--output', 'json'],
        'the Job as JSON',
        (printed) => jobSchema.parse(JSON.parse(printed)),
      );
      return !(status?.conditions ?? []).some(
        ({ type, status: conditionStatus }) => (type === 'Complete' || type === 'Failed') && conditionStatus === 'True',
      );
    },
    async stop() {
      await runProgram('kubectl', ['delete', ...inNamespace, job, '--ignore-not-found']);
    },
  };
}

/** Builds the manifest of the Job (batch/v1). */
export function jobManifest(
  { study, count, args }: WorkersRequest,
  { image, command, volumes, namespace, resources }: JobOptions,
): object {
  const name = `mtl-${basename(study)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')}`
    .slice(0, MAX_NAME_LENGTH - 6)
    .replace(/-+$/, '');
  const claims = Object.entries(volumes);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { generateName: `${name}-`, namespace },
    spec: {
      completionMode: 'Indexed',
      completions: count,
      parallelism: count,
      // A worker that fails on its own would fail again; evictions do not count.
      backoffLimitPerIndex: 3,
      podFailurePolicy: {
        rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
      },
      template: {
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: GRACE_PERIOD_SECONDS,
          containers: [
            {
              name: 'worker',
              image,
              command: [...command, ...args],
              resources: { requests: resources, limits: resources },
              volumeMounts: claims.map(([, mountPath], i) => ({ name: `volume-${i}`, mountPath })),
            },
          ],
          volumes: claims.map(([claimName], i) => ({ name: `volume-${i}`, persistentVolumeClaim: { claimName } })),
        },
      },
    },
  };
}
