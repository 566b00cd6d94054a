/** @module-tag long */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { serveAsContainer } from '../support/container-server.js';
import { copyShipped } from '../support/copy-shipped.js';
import { containersOf, podOf, readManifests, type Container } from '../support/manifests.js';
import { mtl } from '../support/mtl.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

const all = readManifests();
const find = (file: string, kind: string) => all.find((each) => each.file === file && each.manifest.kind === kind)!;
const configs = find('config.yaml', 'ConfigMap').manifest.data!;
const workloads = all.filter(({ manifest }) => podOf(manifest) !== undefined);

/** Validates objects strictly against the official schema of the oldest version that the manifests support. */
const VALIDATE =
  'import sys, yaml, kubernetes_validate\n' +
  `for each in yaml.safe_load_all(open(sys.argv[1])): kubernetes_validate.validate(each, '1.30', strict=True)\n` +
  `print('valid')`;

describe('manifests of deploy/kubernetes', () => {
  it('match the official schema', (context) => {
    needsPython(context, 'kubernetes_validate');
    const folder = scratchFolder();
    const validate = (objects: readonly object[]): string => {
      writeFileSync(join(folder, 'all.yaml'), objects.map((each) => stringify(each)).join('---\n'));
      return python(folder, VALIDATE, [join(folder, 'all.yaml')]);
    };
    const objects = all.map(({ manifest }) => manifest);
    expect(validate(objects)).toBe('valid\n');
    for (const manifest of objects.filter(({ kind }) => ['Deployment', 'CronJob'].includes(kind)))
      expect(() => validate([{ ...manifest, spec: { ...(manifest['spec'] as object), unknown: 1 } }])).toThrow();
  });

  it('have the kinds that their files promise', () => {
    expect(all.map(({ file, manifest }) => `${file}: ${manifest.kind} ${manifest.metadata.name}`)).toEqual([
      'config.yaml: ConfigMap mtl-config',
      'serve.yaml: Deployment mtl-serve',
      'serve.yaml: Service mtl-serve',
      'serve.yaml: HorizontalPodAutoscaler mtl-serve',
      'serve.yaml: PodDisruptionBudget mtl-serve',
      'storage.yaml: PersistentVolumeClaim mtl-runs',
      'storage.yaml: PersistentVolumeClaim mtl-data',
      'sweep.yaml: Job mtl-sweep',
      'train-daily.yaml: CronJob mtl-train-daily',
      'train.yaml: Job mtl-train',
    ]);
  });

  // https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
  it.each(workloads)('$file has pods of the standard "restricted", with a read-only root', ({ manifest }) => {
    const pod = podOf(manifest)!;
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(pod['automountServiceAccountToken']).toBe(false);
    for (const forbidden of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod).not.toHaveProperty(forbidden);
    for (const volume of pod.volumes)
      expect(['configMap', 'emptyDir', 'persistentVolumeClaim']).toContain(
        Object.keys(volume).find((key) => key !== 'name'),
      );
    for (const { securityContext, ports, ...others } of containersOf(manifest)) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(ports.some((port) => 'hostPort' in port)).toBe(false);
      expect(others).toHaveProperty('resources.requests.cpu');
      expect(others).toHaveProperty('resources.limits.memory');
    }
  });

  it.each(workloads)('$file mounts volumes and claims that exist', ({ manifest }) => {
    const { volumes } = podOf(manifest)!;
    for (const { volumeMounts } of containersOf(manifest))
      for (const { name } of volumeMounts) expect(volumes.map((each) => each.name)).toContain(name);
    const names = all.map((each) => `${each.manifest.kind} ${each.manifest.metadata.name}`);
    for (const { persistentVolumeClaim, configMap } of volumes as readonly {
      persistentVolumeClaim?: { claimName: string };
      configMap?: { name: string };
    }[]) {
      if (persistentVolumeClaim !== undefined)
        expect(names).toContain(`PersistentVolumeClaim ${persistentVolumeClaim.claimName}`);
      if (configMap !== undefined) expect(names).toContain(`ConfigMap ${configMap.name}`);
    }
  });

  it('send requests, disruptions and metrics to the pods of the server', () => {
    const spec = (kind: string) => find('serve.yaml', kind).manifest['spec'] as Record<string, never>;
    const { template, selector } = spec('Deployment') as unknown as {
      template: { metadata: { labels: object } };
      selector: { matchLabels: object };
    };
    const { labels } = template.metadata;
    expect(selector.matchLabels).toEqual(labels);
    expect(spec('Service')['selector']).toEqual(labels);
    expect(spec('PodDisruptionBudget')['selector']).toEqual({ matchLabels: labels });
    expect(spec('HorizontalPodAutoscaler')['scaleTargetRef']).toMatchObject({ kind: 'Deployment', name: 'mtl-serve' });
  });
});

/** A directory with what the volumes have, in place of the root of a container. */
let root: string;
const inRoot = (text: string): string => text.replace(/(^|(?<=\s))\/(?=(?:config|data|runs)\b)/g, `${root}/`);
beforeEach(() => {
  root = scratchFolder();
  copyShipped(root, ['data/sample']);
  for (const folder of ['config', 'runs']) mkdirSync(join(root, folder));
  for (const [name, text] of Object.entries(configs))
    writeFileSync(join(root, 'config', name), inRoot(text).replaceAll(`${root}/data/`, `${root}/data/sample/`));
  vi.stubEnv('MTL_RUNS', join(root, 'runs'));
});

/** Runs the command of a container with more arguments; returns what it printed. */
async function run({ args }: Container, ...others: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await mtl(root, [...args.map(inRoot), ...others]);
  expect([code, stderr]).toEqual([0, expect.anything()]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('commands of deploy/kubernetes', () => {
  it('train, promote and serve', { timeout: 300_000 }, async () => {
    const [train] = containersOf(find('train.yaml', 'Job').manifest);
    const [trainDaily, promote] = containersOf(find('train-daily.yaml', 'CronJob').manifest);
    const [serve] = containersOf(find('serve.yaml', 'Deployment').manifest);
    expect(await run(train!)).toHaveProperty('metrics.test.ctcvr.auc');
    await run(promote!);
    // The first run is complete, so the next day trains another one.
    const { run: second } = await run(trainDaily!);
    expect(second).toMatch(/esmm\/002$/);
    expect(JSON.stringify(await run(promote!))).toContain('002');
    await expectServed(serve!);
  });

  it('sweep one study in several pods', { timeout: 300_000 }, async () => {
    const [sweep] = containersOf(find('sweep.yaml', 'Job').manifest);
    const pods = await Promise.all(
      [1, 2].map(() => run(sweep!, '--set', 'trials=4', '--set', 'set.training.epochs=1')),
    );
    for (const { end, trials } of pods) {
      expect(end).toBe('finished');
      const numbers = (trials as { number: number; state: string }[]).map(({ number, state }) => [number, state]);
      expect(numbers.sort()).toEqual([1, 2, 3, 4].map((number) => [number, 'finished']));
    }
  });
});

/** Starts the server of a container and expects its probes to succeed, and a token to be required. */
async function expectServed({ args, ports, ...probes }: Container): Promise<void> {
  expect(ports).toEqual([{ name: 'http', containerPort: Number(args[args.indexOf('--port') + 1]) }]);
  const { url, stop } = await serveAsContainer(root, args, inRoot, { MTL_TOKEN: 'secret' });
  for (const name of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
    const { path, port } = (probes[name] as { httpGet: { path: string; port: string } }).httpGet;
    expect([port, (await fetch(`${url}${path}`)).status]).toEqual(['http', 200]);
  }
  expect((await fetch(`${url}/v2/models/prod`)).status).toBe(401);
  const authorization = { headers: { authorization: 'Bearer secret' } };
  expect(await (await fetch(`${url}/v2/models/prod`, authorization)).json()).toHaveProperty('outputs');
  await stop();
}
