/** @module-tag long */
import { mkdtempSync, readdirSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { train } from '../../src/index.js';
import { promoteRun } from '../support/promote-run.js';
import { servedWorld, serverOfTest, startServer } from '../support/served.js';

const folder = mkdtempSync(join(tmpdir(), 'mtl-reload-'));
const other = join(folder, 'other');
let world: Awaited<ReturnType<typeof servedWorld>>;

beforeAll(async () => {
  world = await servedWorld(folder);
  await train(world.config, { runDir: other, device: 'cpu', threads: 1, set: ['training.batchSize=32'] });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A run path that is a link, and a function that points it to another run. */
function latest(name: string): { readonly path: string; point(run: string): void } {
  const path = join(folder, name);
  const point = (run: string): void => {
    rmSync(path, { force: true });
    symlinkSync(run, path);
  };
  point(world.run);
  return { path, point };
}

/** Sends requests in parallel loops until stopped; returns all responses. */
function load(
  url: string,
  lines: number,
): { stop(): Promise<readonly { readonly status: number; readonly version: string | undefined }[]> } {
  let isOver = false;
  const body = JSON.stringify({ rows: world.rows.slice(0, 1) });
  const answers: { status: number; version: string | undefined }[] = [];
  const line = async (): Promise<void> => {
    while (!isOver) {
      const response = await fetch(`${url}/predict`, { method: 'POST', body });
      answers.push({ status: response.status, version: ((await response.json()) as { version?: string }).version });
    }
  };
  const running = Array.from({ length: lines }, line);
  return {
    async stop() {
      isOver = true;
      await Promise.all(running);
      return answers;
    },
  };
}

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await wait(20);
};

describe('mtl serve --reload', () => {
  it('loads a newer checkpoint under load without losing a request', async () => {
    const link = latest('under-load');
    const server = await serverOfTest({ paths: [link.path], reloadMs: 50 });
    const asking = load(server.url, 8);
    await wait(200);
    link.point(other);
    await until(() => server.models[0]!.version === '19');
    await wait(200);
    const answers = await asking.stop();
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const versions = answers.map(({ version }) => version);
    expect(versions[0]).toBe('10');
    expect(versions.at(-1)).toBe('19');
    expect(new Set(versions).size).toBe(2);
    expect(server.notices).toEqual([
      expect.stringMatching(
        /^small: loaded .*other\/checkpoints\/step-00000019 in place of .*run\/checkpoints\/step-00000010$/,
      ),
    ]);
    expect(server.bugs).toEqual([]);
  });

  it('retains its checkpoint and warns once while a run has none, then loads the first one', async () => {
    const link = latest('begun');
    const server = await serverOfTest({ paths: [link.path] });
    link.point(join(folder, 'not-there-yet'));
    await server.reload();
    await server.reload();
    expect(server.notices).toEqual([
      expect.stringMatching(
        /^small: cannot load a newer checkpoint, still serving the current one: .*which does not exist/,
      ),
    ]);
    expect(
      (await server.app.inject({ method: 'POST', url: '/predict', payload: { rows: world.rows.slice(0, 1) } })).json(),
    ).toMatchObject({ version: '10' });
    link.point(other);
    await server.reload();
    expect(server.models[0]).toMatchObject({ version: '19' });
  });

  it('loads a run that is promoted to the served channel', async () => {
    vi.stubEnv('MTL_RUNS', join(folder, 'runs'));
    onTestFinished(() => void vi.unstubAllEnvs());
    await promoteRun(world.run);
    const server = await serverOfTest({ paths: ['runs/channels/prod'] });
    await server.reload();
    expect([server.models[0], server.notices]).toEqual([expect.objectContaining({ version: '10' }), []]);
    expect(await promoteRun(other)).toMatchObject({ isPromoted: true, over: world.run });
    await server.reload();
    expect(server.notices).toEqual([
      expect.stringMatching(
        /^small: loaded .*other\/checkpoints\/step-00000019 in place of .*run\/checkpoints\/step-00000010$/,
      ),
    ]);
    expect(
      (await server.app.inject({ method: 'POST', url: '/predict', payload: { rows: world.rows.slice(0, 1) } })).json(),
    ).toMatchObject({ version: '19' });
  });

  it('closes the threads of the old checkpoint', async () => {
    const link = latest('threads');
    const server = await serverOfTest({ paths: [link.path], workers: 2 });
    const threads = (): number => readdirSync('/proc/self/task').length;
    const before = threads();
    for (const run of [other, world.run, other]) {
      link.point(run);
      await server.reload();
    }
    expect(threads()).toBeLessThanOrEqual(before);
    unlinkSync(link.path);
  });
});

describe('a draining server', () => {
  it('answers pending requests and accepts no more connections', async () => {
    const server = await startServer({ paths: [world.run] });
    const asked = Array.from({ length: 20 }, () =>
      fetch(`${server.url}/predict`, { method: 'POST', body: JSON.stringify({ rows: world.rows }) }),
    );
    await wait(30);
    // An open connection without a request.
    const drained = server.drain();
    const statuses = await Promise.all(
      asked.map((each) =>
        each.then(
          ({ status }) => status,
          () => 'refused',
        ),
      ),
    );
    await drained;
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(0);
    expect(new Set(statuses).has(503)).toBe(false);
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow('fetch failed');
  });

  it('finishes a request whose body is still arriving, then closes its connection', async () => {
    const server = await startServer({ paths: [world.run] });
    const body = JSON.stringify({ rows: world.rows });
    const answer = new Promise<{ status: number | undefined; connection: string | undefined }>((resolve, reject) => {
      const asking = request(
        `${server.url}/predict`,
        { method: 'POST', headers: { 'content-length': Buffer.byteLength(body) } },
        (response) => {
          response
            .resume()
            .on('end', () => resolve({ status: response.statusCode, connection: response.headers.connection }));
        },
      );
      asking.on('error', reject);
      asking.write(body.slice(0, 100));
      setTimeout(() => void asking.end(body.slice(100)), 300);
    });
    await wait(100);
    const drained = server.drain();
    expect(await answer).toEqual({ status: 200, connection: 'close' });
    await drained;
  });
});
