/** @module-tag long */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN, mtl } from '../support/mtl.js';
import { servedWorld } from '../support/served.js';

let folder: string;
let world: Awaited<ReturnType<typeof servedWorld>>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-serve-cli-'));
  world = await servedWorld(folder);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Serving {
  readonly child: ChildProcessWithoutNullStreams;
  readonly url: string;
  /** Output so far. */
  readonly stderr: () => string;
  readonly ended: Promise<number | null>;
}

/** Starts the command and waits until it listens. */
function serving(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Serving> {
  const child = spawn(process.execPath, [BIN, 'serve', ...args, '--port', '0', '--json'], {
    cwd: folder,
    env: { ...process.env, ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      if (stdout.includes('\n'))
        resolve({ child, url: (JSON.parse(stdout) as { url: string }).url, stderr: () => stderr, ended });
    });
    void ended.then((code) => reject(new Error(`ended with ${code}: ${stderr}`)));
  });
}

const predict = (url: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${url}/predict`, { method: 'POST', body: JSON.stringify({ rows: world.rows.slice(0, 1) }), headers });

describe('mtl serve', () => {
  it('reports to its parent process that it accepts requests', async () => {
    const args = [BIN, 'serve', 'run', '--port', '0', '--workers', '1'];
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const reports = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    expect(reports[0]).toBe('ready');
    child.kill('SIGTERM');
    expect((await once(child, 'exit'))[0]).toBe(0);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('prints its URL, answers there, and exits with 0 at %s', async (signal) => {
    const { child, url, stderr, ended } = await serving(['run', '--name', 'mine', '--workers', '2']);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await (await predict(url)).json()).toMatchObject({
      model: 'mine',
      version: '10',
      predictions: [{ ctr: expect.any(Number) as number }],
    });
    child.kill(signal);
    expect(await ended).toBe(0);
    expect(stderr()).toBe(
      `mine, version 10: ${join(folder, 'run', 'checkpoints', 'step-00000010')}\nlistening at ${url}\n` +
        `${signal}: finishing pending requests; send it again to quit immediately\n`,
    );
  });

  it('reads its token from the environment', async () => {
    const { child, url, stderr, ended } = await serving(['run'], { MTL_TOKEN: 'sesame' });
    expect([(await predict(url)).status, (await predict(url, { authorization: 'Bearer sesame' })).status]).toEqual([
      401, 200,
    ]);
    expect(stderr()).toContain('; requests need the token in MTL_TOKEN\n');
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('listens on the loopback interface by default and warns otherwise', async () => {
    const { child, stderr, ended } = await serving(['run', '--host', '0.0.0.0']);
    expect(stderr()).toContain('anyone who can reach 0.0.0.0 can send requests; set MTL_TOKEN to require a token\n');
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it.each([
    [[], 2, 'missing argument; expected npx mtl serve <paths..>'],
    [['run', '--port', '70000'], 2, '--port: expected an integer from 0 to 65535'],
    [['run', '--name', 'a,b'], 2, '--name: expected 1 comma-separated names, one per model, found 2'],
    [['nowhere'], 4, 'nowhere: no such directory'],
  ])('with %j exits with a code and a reason', async (args, exitCode, message) => {
    const { code, stderr } = await mtl(folder, ['serve', ...args]);
    expect([code, stderr]).toEqual([exitCode, expect.stringContaining(message)]);
  });

  it('reports a port in use and leaves no thread running', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const { code, stderr } = await mtl(folder, ['serve', 'run', '--port', String(port)]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(`--port ${port}: port already in use`)]);
    other.close();
  });
});
