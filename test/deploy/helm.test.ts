/** @module-tag long */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi, type TestContext } from 'vitest';
import { parse, stringify } from 'yaml';
import { serveAsContainer } from '../support/container-server.js';
import { copyShipped } from '../support/copy-shipped.js';
import { CHART, containersOf, helm, podOf, renderChart, type Container, type Manifest } from '../support/manifests.js';
import { mtl } from '../support/mtl.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

/** Values with which the chart has all of its objects. */
const ALL = ['--set', 'sweep.enabled=true'];
const WORKLOADS = ['CronJob mtl-train', 'Job mtl-sweep', 'Deployment mtl-serve'];
/** Kind and name, without the hash of a sweep. */
const nameOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name.replace(/-[0-9a-f]{8}$/, '')}`;
const find = (manifests: readonly Manifest[], name: string): Manifest =>
  manifests.find((each) => nameOf(each) === name)!;

/** Prints for each object if it matches the official schema of the oldest version that the chart supports. */
const VALIDATE = `
import sys, yaml, kubernetes_validate
for each in yaml.safe_load_all(open(sys.argv[1])):
    try:
        kubernetes_validate.validate(each, '1.30', strict=True)
        print('valid')
    except kubernetes_validate.ValidationError as error:
        print(each['kind'], error.message)
`;

describe('the chart of deploy/helm', () => {
  it('has no findings of helm lint', (context) => {
    const { status, stdout } = helm(context, 'lint', '--strict', CHART);
    expect([status, stdout]).toEqual([0, expect.stringContaining('0 chart(s) failed') as string]);
  });

  it('matches the official schema, with defaults and with each value', { timeout: 120_000 }, (context) => {
    needsPython(context, 'kubernetes_validate');
    const scheduling = {
      nodeSelector: { pool: 'big' },
      tolerations: [{ key: 'pool', operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
    };
    const values = {
      image: { tag: 'x', pullSecrets: ['registry'] },
      storage: { runs: { storageClass: 'nfs' }, data: { existingClaim: 'logs' } },
      train: { args: ['--set', 'training.epochs=1'], ...scheduling },
      sweep: { args: ['--set', 'trials=2'], ...scheduling },
      serve: { tokenSecret: '', args: ['--raw'], podAnnotations: { a: 'b' }, ...scheduling },
    };
    const folder = scratchFolder();
    writeFileSync(join(folder, 'values.yaml'), stringify(values));
    const objects = renderChart(context, ...ALL);
    const others = renderChart(context, ...ALL, '--values', join(folder, 'values.yaml'));
    for (const name of WORKLOADS)
      expect(podOf(find(others, name)), name).toMatchObject({
        ...scheduling,
        imagePullSecrets: [{ name: 'registry' }],
      });
    const invalid = WORKLOADS.map((name) => find(objects, name)).map((each) => ({
      ...each,
      spec: { ...(each['spec'] as object), unknown: 1 },
    }));
    const documents = [...objects, ...others, ...invalid].map((each) => stringify(each));
    writeFileSync(join(folder, 'all.yaml'), documents.join('---\n'));
    const found = python(folder, VALIDATE, [join(folder, 'all.yaml')])
      .trim()
      .split('\n');
    expect(found.slice(0, -invalid.length)).toEqual([...objects, ...others].map(() => 'valid'));
    expect(found.slice(-invalid.length)).toEqual(
      invalid.map(({ kind }) => expect.stringMatching(new RegExp(`^${kind} .*'unknown' was unexpected`)) as string),
    );
  });

  it('has objects of what is enabled', (context) => {
    expect(
      renderChart(context, ...ALL)
        .map(nameOf)
        .sort(),
    ).toEqual([
      'ConfigMap mtl-config',
      'CronJob mtl-train',
      'Deployment mtl-serve',
      'HorizontalPodAutoscaler mtl-serve',
      'Job mtl-sweep',
      'PersistentVolumeClaim mtl-data',
      'PersistentVolumeClaim mtl-runs',
      'PodDisruptionBudget mtl-serve',
      'Service mtl-serve',
    ]);
    const off = ['train', 'serve'].flatMap((name) => ['--set', `${name}.enabled=false`]);
    const claims = ['runs', 'data'].flatMap((name) => ['--set', `storage.${name}.existingClaim=own`]);
    expect(
      renderChart(context, ...off)
        .map(nameOf)
        .sort(),
    ).toEqual(['PersistentVolumeClaim mtl-data', 'PersistentVolumeClaim mtl-runs']);
    expect(renderChart(context, '--set', 'train.enabled=false', ...claims).map(({ kind }) => kind)).not.toContain(
      'PersistentVolumeClaim',
    );
  });

  it('compares a second model with that of the channel', (context) => {
    const render = (canary: object) => {
      const path = join(scratchFolder(), 'values.yaml');
      const autoscaling = { minReplicas: 1, maxReplicas: 1 };
      writeFileSync(path, stringify({ serve: { args: ['--raw'], autoscaling, canary } }));
      const [{ args, volumeMounts }] = containersOf(
        find(renderChart(context, '--values', path), 'Deployment mtl-serve'),
      ) as [Container];
      return {
        args: args.slice(args.indexOf('--reload') + 1),
        mount: volumeMounts.find(({ name }) => name === 'runs'),
      };
    };
    const mount = { name: 'runs', mountPath: '/runs', readOnly: true };
    expect(render({})).toEqual({ args: ['--raw'], mount });
    expect(render({ run: 'esmm/004', shareBy: 101, share: 0.5 })).toEqual({
      args: ['--canary', '/runs/esmm/004', '--outcome-timeout', '1h', '--share', '0.5', '--share-by', '101', '--raw'],
      mount,
    });
    const rule = { promoteIf: 'ctcvr.logLoss', after: 2_000_000, confidence: 0.99 };
    expect(render({ run: 'esmm/004', kind: 'shadow', outcomeTimeout: '30m', ...rule })).toEqual({
      args: [
        ...['--shadow', '/runs/esmm/004', '--outcome-timeout', '30m'],
        ...['--promote-if', 'ctcvr.logLoss', '--after', '2000000', '--confidence', '0.99', '--raw'],
      ],
      mount: { ...mount, readOnly: false },
    });
    const { status, stderr } = helm(context, 'template', 'mtl', CHART, '--set', 'serve.canary.run=esmm/004');
    const message = 'labels must reach the pod that predicted';
    expect([status, stderr]).toEqual([1, expect.stringContaining(message) as string]);
  });

  it('rejects unknown values', (context) => {
    const { status, stderr } = helm(context, 'template', 'mtl', CHART, '--set', 'serve.replica=3');
    expect([status, stderr]).toEqual([1, expect.stringMatching(/\breplica'? (?:is )?not allowed/) as string]);
  });

  it('starts another sweep when its study, config or image changes, since a Job cannot change', (context) => {
    const sweepOf = (...args: readonly string[]): string =>
      find(renderChart(context, ...ALL, ...args), 'Job mtl-sweep').metadata.name;
    const changes = ['sweep.study=a', 'train.config=b', 'image.tag=c', 'sweep.pods=2', 'serve.workers=3'];
    const names = changes.map((change) => sweepOf('--set', change));
    expect(sweepOf()).toBe(names[4]);
    expect(new Set(names).size).toBe(5);
  });

  it('has the version of the package, which the image has as tag', (context) => {
    const { version } = JSON.parse(readFileSync(join(CHART, '..', '..', '..', 'package.json'), 'utf8')) as {
      readonly version: string;
    };
    expect(parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8'))).toMatchObject({ version, appVersion: version });
    const objects = renderChart(context, ...ALL);
    for (const { image } of WORKLOADS.flatMap((name) => containersOf(find(objects, name))))
      expect(image).toBe(`registry.example.com/mtl:${version}`);
  });

  // https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
  it.for(WORKLOADS)('%s has pods of the standard "restricted", with a read-only root', (name, context) => {
    const workload = find(renderChart(context, ...ALL), name);
    const pod = podOf(workload)!;
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(pod['automountServiceAccountToken']).toBe(false);
    for (const forbidden of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod).not.toHaveProperty(forbidden);
    for (const volume of pod.volumes)
      expect(['configMap', 'emptyDir', 'persistentVolumeClaim']).toContain(
        Object.keys(volume).find((key) => key !== 'name'),
      );
    for (const { securityContext, ports, ...others } of containersOf(workload)) {
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

  it.for(WORKLOADS)('%s mounts volumes and claims that exist', (name, context) => {
    const objects = renderChart(context, ...ALL);
    const { volumes } = podOf(find(objects, name))!;
    const mounts = containersOf(find(objects, name)).flatMap(({ volumeMounts }) => volumeMounts);
    expect(volumes.map((each) => each.name)).toEqual(expect.arrayContaining(mounts.map((mount) => mount.name)));
    const names = objects.map(nameOf);
    for (const { persistentVolumeClaim, configMap } of volumes as readonly {
      persistentVolumeClaim?: { claimName: string };
      configMap?: { name: string };
    }[]) {
      if (persistentVolumeClaim !== undefined)
        expect(names).toContain(`PersistentVolumeClaim ${persistentVolumeClaim.claimName}`);
      if (configMap !== undefined) expect(names).toContain(`ConfigMap ${configMap.name}`);
    }
  });

  it('sends requests, disruptions and metrics to the pods of the server', (context) => {
    const objects = renderChart(context);
    const spec = (kind: string) => find(objects, `${kind} mtl-serve`)['spec'] as Record<string, never>;
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

describe('commands of the chart', () => {
  /** A directory with what the volumes have, in place of the root of a container. */
  let root: string;
  const inRoot = (text: string): string => text.replace(/(^|(?<=\s))\/(?=(?:config|data|runs)\b)/g, `${root}/`);
  beforeEach(() => {
    root = scratchFolder();
    copyShipped(root, ['data/sample']);
    for (const folder of ['config', 'runs']) mkdirSync(join(root, folder));
    vi.stubEnv('MTL_RUNS', join(root, 'runs'));
  });

  /** Returns the containers of a workload, and writes the files of the ConfigMap. */
  function prepare(context: TestContext, name: string): readonly Container[] {
    const objects = renderChart(context, ...ALL);
    for (const [file, text] of Object.entries(find(objects, 'ConfigMap mtl-config').data!))
      writeFileSync(join(root, 'config', file), inRoot(text).replaceAll(`${root}/data/`, `${root}/data/sample/`));
    return containersOf(find(objects, name));
  }

  /** Runs the command of a container with more arguments; returns what it printed. */
  async function run({ args }: Container, ...others: readonly string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await mtl(root, [...args.map(inRoot), ...others]);
    expect([code, stderr]).toEqual([0, expect.anything()]);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  it('train, promote and serve', { timeout: 300_000 }, async (context) => {
    const [train, promote] = prepare(context, 'CronJob mtl-train');
    const [serve] = prepare(context, 'Deployment mtl-serve');
    expect(await run(train!)).toHaveProperty('metrics.test.ctcvr.auc');
    await run(promote!);
    // The first run is complete, so the next day trains another one.
    const { run: second } = await run(train!);
    expect(second).toMatch(/esmm\/002$/);
    expect(JSON.stringify(await run(promote!))).toContain('002');
    await expectServed(serve!);
  });

  it('sweep one study in several pods', { timeout: 300_000 }, async (context) => {
    const [sweep] = prepare(context, 'Job mtl-sweep');
    const pods = await Promise.all(
      [1, 2].map(() => run(sweep!, '--set', 'trials=4', '--set', 'set.training.epochs=1')),
    );
    for (const { end, trials } of pods) {
      expect(end).toBe('finished');
      const numbers = (trials as { number: number; state: string }[]).map(({ number, state }) => [number, state]);
      expect(numbers.sort()).toEqual([1, 2, 3, 4].map((number) => [number, 'finished']));
    }
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
});
