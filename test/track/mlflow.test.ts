/** @module-tag long */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { addTrackedFile } from '../../src/runs/tracked-log.js';
import { ARTIFACT_OPTIONS, startMlflow } from '../support/mlflow-server.js';
import { abortAtStep, smallWorld, trainSmall, type SmallRun } from '../support/small-run.js';

const SET = ['training.logEverySteps=3', 'checkpoints.everySteps=4'];

let world: string;
const before = process.cwd();
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-mlflow-'));
  await smallWorld(world);
  process.chdir(world);
});
afterAll(() => {
  process.chdir(before);
  rmSync(world, { recursive: true, force: true });
});

/** Trains with a server, and gives what was told to people. */
async function trained(url: string, { set = [], ...options }: SmallRun): Promise<readonly string[]> {
  const notices: string[] = [];
  await trainSmall('esmm.yaml', {
    set: [...SET, `loggers.mlflow=${url}`, ...set],
    ...options,
    on: { ...options.on, onWarning: (text) => notices.push(text) },
  });
  return notices.filter((text) => text.includes('MLflow'));
}

type Fault = 'none' | 'takes it and hangs up' | 'refuses' | 'talks nonsense' | 'answers with a page' | 'hangs up';
interface Metric {
  readonly key: string;
  readonly value: number;
  readonly step: number;
}
/** A server that keeps what it is told, and can be made to fail. */
interface Fake {
  readonly url: string;
  readonly metrics: Metric[];
  readonly params: { readonly key: string; readonly value: string }[];
  readonly statuses: string[];
  readonly runs: string[];
  readonly authorizations: Set<string | undefined>;
  /** Artifacts by path. */
  readonly files: Map<string, Buffer>;
  readonly datasets: { readonly context: string; readonly name: string; readonly digest: string }[];
  /** Where the server says that artifacts of its runs are. */
  artifactUri: string;
  fault: Fault;
}

interface LoggedInput {
  readonly tags: [{ readonly value: string }];
  readonly dataset: { readonly name: string; readonly digest: string };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function fakeServer(): Promise<Fake> {
  const fake: Fake = {
    url: '',
    metrics: [],
    params: [],
    statuses: [],
    runs: [],
    authorizations: new Set(),
    files: new Map(),
    datasets: [],
    artifactUri: 'mlflow-artifacts:/7/run/artifacts',
    fault: 'none',
  };
  const experiments = new Set<string>();
  const answer = (path: string, body: Record<string, unknown>, query: URLSearchParams): readonly [number, object] => {
    switch (path) {
      case 'experiments/get-by-name':
        return experiments.has(query.get('experiment_name')!)
          ? [200, { experiment: { experiment_id: '7' } }]
          : [404, { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'no such experiment' }];
      case 'experiments/create':
        experiments.add(body['name'] as string);
        return [200, { experiment_id: '7' }];
      case 'runs/create':
        fake.runs.push(`run-${fake.runs.length + 1}`);
        return [200, { run: { info: { run_id: fake.runs.at(-1) }, data: {} } }];
      case 'runs/log-batch': {
        const metrics = (body['metrics'] ?? []) as Metric[];
        const params = (body['params'] ?? []) as Fake['params'];
        if (metrics.length > 1000 || params.length > 100)
          return [400, { error_code: 'INVALID_PARAMETER_VALUE', message: 'too many' }];
        fake.metrics.push(...metrics);
        fake.params.push(...params);
        return [200, {}];
      }
      case 'runs/log-inputs':
        fake.datasets.push(
          ...(body['datasets'] as LoggedInput[]).map(({ tags: [{ value }], dataset: { name, digest } }) => ({
            context: value,
            name,
            digest,
          })),
        );
        return [200, {}];
      case 'runs/update':
        fake.statuses.push(`${String(body['run_id'])} ${String(body['status'])}`);
        return [200, {}];
      case 'runs/get': {
        const last = new Map(fake.metrics.map((metric) => [metric.key, metric]));
        return [
          200,
          {
            run: {
              info: { run_id: query.get('run_id'), artifact_uri: fake.artifactUri },
              data: { metrics: [...last.values()] },
            },
          },
        ];
      }
      default:
        return [404, { error_code: 'ENDPOINT_NOT_FOUND' }];
    }
  };
  const server: Server = createServer((request, response) => {
    void (async () => {
      const { pathname, searchParams } = new URL(request.url!, 'http://x');
      fake.authorizations.add(request.headers.authorization);
      const bytes = await bodyOf(request);
      if (fake.fault === 'hangs up') return void request.socket.destroy();
      if (fake.fault === 'refuses')
        return void response.writeHead(500).end('{"error_code": "INTERNAL_ERROR", "message": "out of order"}');
      if (fake.fault === 'talks nonsense') return void response.writeHead(200).end('<html>');
      if (fake.fault === 'answers with a page') return void response.writeHead(503).end('<html>');
      const stored = /^\/api\/2\.0\/mlflow-artifacts\/artifacts\/(.+)$/.exec(pathname)?.[1];
      if (stored !== undefined && request.method === 'PUT') {
        fake.files.set(stored, bytes);
        return void response.writeHead(200).end('{}');
      }
      const body = bytes.length === 0 ? {} : (JSON.parse(bytes.toString()) as Record<string, unknown>);
      const [status, content] = answer(pathname.replace('/api/2.0/mlflow/', ''), body, searchParams);
      if (fake.fault === 'takes it and hangs up') return void request.socket.destroy();
      response.writeHead(status).end(JSON.stringify(content));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(fake, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

const lossesIn = (run: string): readonly number[][] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { step: number; lrFactors?: object; train: { loss: number } })
    .filter(({ lrFactors }) => lrFactors !== undefined)
    .map(({ step, train }) => [step, train.loss]);
const lossesAt = ({ metrics }: Fake): readonly number[][] =>
  metrics.filter(({ key }) => key === 'train/loss').map(({ step, value }) => [step, value]);

describe('a run tracked in MLflow', () => {
  it('sends its config, every metric value once, and its end', async () => {
    const fake = await fakeServer();
    expect(await trained(`${fake.url}/`, { runDir: 'told', set: ['loggers.experiment=mine'] })).toEqual([]);
    expect(lossesAt(fake)).toEqual(lossesIn('told'));
    expect(new Set(fake.metrics.map(({ key, step }) => `${key} ${step}`)).size).toBe(fake.metrics.length);
    expect(fake.params.find(({ key }) => key === 'model.name')).toEqual({ key: 'model.name', value: 'esmm' });
    expect(fake.statuses).toEqual(['run-1 FINISHED']);
  });

  const KEPT = [
    'best/config.yaml',
    'best/manifest.json',
    'best/weights.safetensors',
    'config.resolved.yaml',
    'config.source.yaml',
    'results.csv',
    'summary.json',
  ];

  it('uploads configs, results, best checkpoint and report, and names its data sets', async () => {
    const fake = await fakeServer();
    expect(await trained(fake.url, { runDir: 'stored' })).toEqual([]);
    expect([...fake.files.keys()]).toEqual(expect.arrayContaining(KEPT.map((path) => `7/run/artifacts/${path}`)));
    expect(
      fake.files
        .get('7/run/artifacts/best/weights.safetensors')!
        .equals(readFileSync('stored/checkpoints/best/weights.safetensors')),
    ).toBe(true);
    expect(fake.datasets.map(({ context }) => context)).toEqual(['train', 'valid', 'test']);
    expect(new Set(fake.datasets.map(({ digest }) => digest)).size).toBe(3);

    writeFileSync('stored/report.html', '<html>');
    const notices: string[] = [];
    await addTrackedFile(
      'stored',
      { path: 'report.html', file: 'stored/report.html' },
      (text) => void notices.push(text),
    );
    expect([fake.files.get('7/run/artifacts/report.html')?.toString(), notices]).toEqual(['<html>', []]);
  });

  it('copies artifacts if the server stores them on this machine', async () => {
    const fake = await fakeServer();
    for (const artifactUri of [join(world, 'kept'), pathToFileURL(join(world, 'kept as url')).href]) {
      fake.artifactUri = artifactUri;
      expect(await trained(fake.url, { runDir: `of-${artifactUri.length}`, set: ['training.epochs=1'] })).toEqual([]);
    }
    for (const folder of ['kept', 'kept as url'])
      for (const path of KEPT) expect([path, existsSync(join(world, folder, path))]).toEqual([path, true]);
  });

  it.each(['s3://bucket/7/run/artifacts', 'c:/kept', ''])(
    "says what to do where only MLflow's clients can store them: %j",
    async (artifactUri) => {
      const fake = await fakeServer();
      fake.artifactUri = artifactUri;
      const notices = await trained(fake.url, { runDir: `elsewhere${artifactUri.length}`, set: ['training.epochs=1'] });
      expect(notices).toEqual([
        expect.stringContaining(
          `cannot store artifacts at '${artifactUri}' from this machine; let the server store them: ` +
            `mlflow server --artifacts-destination ${artifactUri.startsWith('s3') ? 's3://bucket' : 'DIRECTORY'}; ` +
            'not uploaded: config.source.yaml, ',
        ),
      ]);
      expect(fake.statuses).toEqual(['run-1 FINISHED']);
    },
  );

  it('resumes the same MLflow run and sends nothing twice', async () => {
    const fake = await fakeServer();
    await trained(fake.url, { runDir: 'resumed', ...abortAtStep(14) });
    expect(fake.statuses).toEqual(['run-1 KILLED']);
    await trained(fake.url, { resume: 'resumed' });
    expect(fake.runs).toEqual(['run-1']);
    expect(fake.statuses.slice(1)).toEqual(['run-1 RUNNING', 'run-1 FINISHED']);
    expect(lossesAt(fake)).toEqual(lossesIn('resumed'));
  });

  it.each<Fault>(['refuses', 'talks nonsense', 'answers with a page', 'hangs up'])(
    'ends well where the server %s, with one notice and one at the end',
    async (fault) => {
      const fake = await fakeServer();
      fake.fault = fault;
      const notices = await trained(fake.url, { runDir: fault.replaceAll(' ', '-') });
      expect(notices).toHaveLength(2);
      expect(notices[0]).toContain('the run continues and sends its metrics when the server answers');
      expect(notices[1]).toMatch(/: \d+ metric values were not sent; they are in/);
      expect(lossesIn(fault.replaceAll(' ', '-')).length).toBeGreaterThan(5);
    },
  );

  it('completes without a server', async () => {
    const notices = await trained('http://127.0.0.1:9', { runDir: 'nobody' });
    expect(notices[0]).toMatch(/^MLflow at http:\/\/127\.0\.0\.1:9: cannot connect \(/);
  });

  it('sends missed metrics when the server answers again', async () => {
    const fake = await fakeServer();
    fake.fault = 'hangs up';
    let epochs = 0;
    const notices = await trained(fake.url, {
      runDir: 'late',
      on: { onValidation: () => (++epochs === 2 ? (fake.fault = 'none') : undefined) },
    });
    expect(notices).toHaveLength(1);
    expect(lossesAt(fake)).toEqual(lossesIn('late'));
  });

  it('does not repeat requests that the server took without an answer', async () => {
    const fake = await fakeServer();
    let epochs = 0;
    const onValidation = (): void => {
      epochs++;
      fake.fault = epochs === 1 ? 'takes it and hangs up' : 'none';
    };
    await trained(fake.url, { runDir: 'taken', on: { onValidation } });
    expect(lossesAt(fake)).toEqual(lossesIn('taken'));
    expect(fake.runs).toEqual(['run-1']);
  });

  it("authenticates like MLflow's own clients", async () => {
    const fake = await fakeServer();
    process.env['MLFLOW_TRACKING_USERNAME'] = 'ann';
    process.env['MLFLOW_TRACKING_PASSWORD'] = 'secret';
    onTestFinished(() => {
      Reflect.deleteProperty(process.env, 'MLFLOW_TRACKING_USERNAME');
      Reflect.deleteProperty(process.env, 'MLFLOW_TRACKING_PASSWORD');
    });
    await trained(fake.url, { runDir: 'known', set: ['training.epochs=1'] });
    expect([...fake.authorizations]).toEqual([`Basic ${Buffer.from('ann:secret').toString('base64')}`]);
  });

  it('rejects an invalid address, and an experiment without a server', async () => {
    await expect(trained('127.0.0.1:5000', { runDir: 'no' })).rejects.toThrow(
      /loggers\.mlflow: expected an MLflow tracking URI/,
    );
    await expect(trainSmall('esmm.yaml', { runDir: 'no', set: ['loggers.experiment=mine'] })).rejects.toThrow(
      /loggers\.experiment: requires an MLflow server/,
    );
  });
});

describe('a real MLflow server', { tags: ['nightly'] }, () => {
  for (const artifacts of ARTIFACT_OPTIONS)
    it(`has the run, also one that was stopped and went on, and its artifacts with ${artifacts}`, async (context) => {
      const url = await startMlflow(context, artifacts);
      const all = { set: ['loggers.experiment=real'] };
      await trained(url, { ...all, runDir: `real${artifacts}`, ...abortAtStep(14) });
      await trained(url, { ...all, resume: `real${artifacts}` });
      const get = async (path: string): Promise<Record<string, unknown>> =>
        (await fetch(`${url}/api/2.0/mlflow/${path}`)).json() as Promise<Record<string, unknown>>;
      const { experiment } = (await get('experiments/get-by-name?experiment_name=real')) as {
        experiment: { experiment_id: string };
      };
      const { runs } = (await (
        await fetch(`${url}/api/2.0/mlflow/runs/search`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ experiment_ids: [experiment.experiment_id] }),
        })
      ).json()) as {
        runs: {
          info: { run_id: string; status: string; run_name: string };
          data: { params: { key: string; value: string }[] };
        }[];
      };
      expect(runs).toHaveLength(1);
      const [{ info, data }] = runs as [(typeof runs)[number]];
      expect(info).toMatchObject({ status: 'FINISHED', run_name: 'esmm' });
      expect(data.params).toContainEqual({ key: 'training.epochs', value: '4' });
      const { metrics } = (await get(
        `metrics/get-history?run_id=${info.run_id}&metric_key=${encodeURIComponent('train/loss')}`,
      )) as { metrics: { step: number; value: number }[] };
      expect(metrics.map(({ step, value }) => [step, value]).sort(([a], [b]) => a! - b!)).toEqual(
        lossesIn(`real${artifacts}`),
      );
      for (const [path, names] of [
        ['', ['best', 'config.resolved.yaml', 'results.csv']],
        ['best', ['best/weights.safetensors']],
      ] as const) {
        const { files } = (await get(`artifacts/list?run_id=${info.run_id}&path=${path}`)) as {
          files: { path: string }[];
        };
        expect(files.map((file) => file.path)).toEqual(expect.arrayContaining([...names]));
      }
      const { run } = (await get(`runs/get?run_id=${info.run_id}`)) as {
        run: { inputs: { dataset_inputs: { tags: { value: string }[] }[] } };
      };
      expect(run.inputs.dataset_inputs.flatMap(({ tags }) => tags.map(({ value }) => value)).sort()).toEqual([
        'test',
        'train',
        'valid',
      ]);
    }, 240_000);
});
