import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject, type InjectOptions, type Response as InjectedResponse } from 'light-my-request';
import { onTestFinished } from 'vitest';
import { train } from '../../src/index.js';
import { serve, type ServeOptions, type Server } from '../../src/serve.js';
import { synth } from '../../src/synth.js';

/** A field of every kind with its own request format. */
const CONFIG = `
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  user: { type: categorical, fields: [101, 121], width: 4 }
  item: { type: categorical, fields: [205], width: 4, encoding: { name: tokens } }
  met: { type: cross, fields: [[121, 206]], width: 4, buckets: 30 }
  numbers: { type: numeric, fields: [D508], scaling: standard }
  history: { type: bag, fields: [109_14], width: 4 }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } }
training: { epochs: 1, batchSize: 64 }
`;

/** A small world with a run of a config, and its test rows as strings. */
export async function servedWorld(
  folder: string,
  text = CONFIG,
): Promise<{ readonly config: string; readonly run: string; readonly rows: Record<string, string>[] }> {
  const [config, run] = [join(folder, 'small.yaml'), join(folder, 'run')];
  await synth({
    folder,
    seed: 3,
    rows: { train: 600, valid: 200, test: 200 },
    users: 50,
    items: 30,
    rates: { click: 0.3, purchase: 0.3 },
    bagMean: 3,
  });
  writeFileSync(config, text);
  await train(config, { runDir: run, device: 'cpu', threads: 1 });
  const [header, ...lines] = readFileSync(join(folder, 'test.csv'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));
  return { config, run, rows: lines.map((cells) => Object.fromEntries(header!.map((name, i) => [name, cells[i]!]))) };
}

export type { InjectedResponse };

/** A server under test. */
export interface TestServer extends Omit<Server, 'app'> {
  readonly notices: string[];
  readonly bugs: string[];
  /** Sends requests without a socket. */
  readonly app: { inject(request: string | InjectOptions): Promise<InjectedResponse> };
}

/** Starts a server as `mtl serve` does, on a free port, and records its warnings and bugs. */
export async function startServer(options: Pick<ServeOptions, 'paths'> & Partial<ServeOptions>): Promise<TestServer> {
  const [notices, bugs]: [string[], string[]] = [[], []];
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    workers: 1,
    limits: { bytes: 1 << 20, rows: 1000 },
    timeoutMs: 30_000,
    onWarning: (text) => void notices.push(text),
    onBug: (text) => void bugs.push(text),
    ...options,
  });
  const app: TestServer['app'] = {
    inject: (request) => inject((...exchange) => void server.app.emit('request', ...exchange), request),
  };
  return Object.defineProperties({ ...server, app, notices, bugs }, { models: { get: () => server.models } });
}

/** The same, drained after the test. */
export async function serverOfTest(options: Parameters<typeof startServer>[0]): ReturnType<typeof startServer> {
  const server = await startServer(options);
  onTestFinished(() => server.drain());
  return server;
}
