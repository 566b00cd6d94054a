/** @module-tag long */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { live } from '../../src/live.js';
import { hasExited } from '../../src/system/owner.js';
import { mtl, BIN } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const CONFIG = `data: { train: log, follow: { fitRows: 100 } }
features:
  ids: { type: categorical, fields: [user], width: 4, encoding: { name: hash, buckets: 100 } }
tasks: { ctr: { label: click } }
model: { name: single-task }
training: { batchSize: 10 }
`;

function appendRows(cwd: string, count: number, click: number): void {
  const lines = Array.from(
    { length: count },
    (_, i) => `{"user":"u${i % 7}","click":${i % 3 === 0 ? click : 1 - click}}\n`,
  );
  appendFileSync(join(cwd, 'log', 'part-0.jsonl'), lines.join(''));
}

/** Waits until a condition holds. */
async function until<Found>(what: string, find: () => Found | undefined | Promise<Found | undefined>): Promise<Found> {
  for (let i = 0; i < 2400; i++) {
    const found = await find();
    if (found !== undefined) return found;
    await setTimeout(100);
  }
  throw new Error(`never: ${what}`);
}

/** Starts mtl live; `output` has what it printed. */
function startLive(cwd: string, ...options: readonly string[]) {
  const child = spawn(process.execPath, [BIN, 'live', 'stream.yaml', '--port', '0', '--workers', '1', ...options], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const live = { child, output: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (live.output += text));
  onTestFinished(() => void child.kill('SIGKILL'));
  return live;
}

function prepare(): string {
  const cwd = scratchFolder();
  mkdirSync(join(cwd, 'log'));
  writeFileSync(join(cwd, 'package.json'), '{}');
  writeFileSync(join(cwd, 'stream.yaml'), CONFIG);
  return cwd;
}

async function ask(url: string): Promise<number | undefined> {
  const response = await fetch(`${url}/predict`, { method: 'POST', body: '{"rows":[{"user":"u1"}]}' }).catch(
    () => undefined,
  );
  if (response?.status !== 200) return undefined;
  const { predictions } = (await response.json()) as { readonly predictions: readonly { readonly ctr: number }[] };
  return predictions[0]!.ctr;
}

/** Waits until the server has the checkpoint of a step: by deltas, or whole if training removed the one before. */
function untilStep(url: string, step: number): Promise<true> {
  return until(`step ${step}`, async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return text.includes(`mtl_model_info{model="stream",version="${step}"`) ? true : undefined;
  });
}

describe('mtl live', { timeout: 300_000 }, () => {
  it('serves what it trains on, restarts what is killed, and ends with its signal', async () => {
    const cwd = prepare();
    appendRows(cwd, 300, 1);
    const live = startLive(cwd);
    const url = await until('a server', () => /listening at (http\S+)/.exec(live.output)?.[1]);
    await untilStep(url, 30);
    const first = (await ask(url))!;
    appendRows(cwd, 2000, 0);
    await untilStep(url, 230);
    const second = (await ask(url))!;
    expect(Math.abs(second - first)).toBeGreaterThan(0.05);
    const lock = join(cwd, 'runs', 'stream', 'live', 'run.lock');
    const { pid } = JSON.parse(readFileSync(lock, 'utf8')) as { readonly pid: number };
    process.kill(pid, 'SIGKILL');
    await until('a restart', () =>
      live.output.includes('train | was killed; starts again in 1.0 s') ? true : undefined,
    );
    expect(await ask(url)).toBe(second);
    await until('the resumed training', () => (/train \| resumed/.test(live.output) ? true : undefined));
    appendRows(cwd, 2000, 1);
    await untilStep(url, 430);
    expect(Math.abs((await ask(url))! - second)).toBeGreaterThan(0.05);
    live.child.kill('SIGTERM');
    const code = await until('the end', () => live.child.exitCode ?? undefined);
    expect(code).toBe(143);
    expect(await ask(url)).toBeUndefined();
    expect(live.output).toContain('stopped by SIGTERM; saved as');
  });

  it('applies deltas with new tokens of a growing vocabulary in place', { tags: ['nightly'] }, async () => {
    const cwd = prepare();
    const growing = CONFIG.replace('{ name: hash, buckets: 100 }', '{ name: tokens, capacity: 5000 }');
    writeFileSync(join(cwd, 'stream.yaml'), growing);
    appendRows(cwd, 300, 1);
    const live = startLive(cwd);
    const url = await until('a server', () => /listening at (http\S+)/.exec(live.output)?.[1]);
    let numUsers = 0;
    const reloads = await until('a delta', async () => {
      const lines = Array.from({ length: 50 }, () => `{"user":"new${numUsers++}","click":1}\n`);
      appendFileSync(join(cwd, 'log', 'part-0.jsonl'), lines.join(''));
      const text = await (await fetch(`${url}/metrics`)).text();
      return /mtl_reloads_total\{model="stream",kind="deltas"\} [1-9]/.exec(text)?.[0];
    });
    expect(reloads).toContain('kind="deltas"');
    live.child.kill('SIGTERM');
    expect(await until('the end', () => live.child.exitCode ?? undefined)).toBe(143);
  });

  it('compares the run in training with a second model', { tags: ['nightly'] }, async () => {
    const cwd = prepare();
    appendRows(cwd, 300, 1);
    const train = ['train', 'stream.yaml', '--follow', '--until-end', '--no-report', '--name', 'other'];
    expect((await mtl(cwd, train)).code).toBe(0);
    const live = startLive(
      cwd,
      '--canary',
      'runs/stream/other',
      '--share',
      '50',
      '--share-by',
      'user',
      '--outcome-timeout',
      '5m',
    );
    const url = await until('a server', () => /listening at (http\S+)/.exec(live.output)?.[1]);
    appendRows(cwd, 500, 1);
    await untilStep(url, 80);
    const models = new Set<string>();
    for (let user = 0; user < 20; user++) {
      const init = { method: 'POST', body: `{"rows":[{"user":"u${user}"}]}`, headers: { 'x-request-id': `r${user}` } };
      models.add(((await (await fetch(`${url}/predict`, init)).json()) as { readonly model: string }).model);
    }
    expect(models).toEqual(new Set(['stream', 'stream-canary']));
    const outcomes = Array.from({ length: 20 }, (_, user) => ({ id: `r${user}`, labels: [{ click: user % 2 }] }));
    const joined = await fetch(`${url}/outcomes`, { method: 'POST', body: JSON.stringify({ outcomes }) });
    expect(await joined.json()).toMatchObject({ joined: 20, rows: 20 });
    expect(await (await fetch(`${url}/canary`)).json()).toMatchObject({ kind: 'canary', state: 'running', share: 0.5 });
    live.child.kill('SIGTERM');
    expect(await until('the end', () => live.child.exitCode ?? undefined)).toBe(143);
  });

  it(
    'keeps the model before a window with drift, and compares it with a second one',
    { tags: ['nightly'] },
    async () => {
      const cwd = prepare();
      const alarms = 'follow: { fitRows: 100, windowRows: 100, alarms: { drift: 0.25 } }';
      writeFileSync(join(cwd, 'stream.yaml'), CONFIG.replace('follow: { fitRows: 100 }', alarms));
      appendRows(cwd, 300, 1);
      const train = ['train', 'stream.yaml', '--follow', '--until-end', '--no-report', '--name', 'other'];
      expect((await mtl(cwd, train)).code).toBe(0);
      const live = startLive(
        cwd,
        '--canary',
        'runs/stream/other',
        '--share',
        '50',
        '--share-by',
        'user',
        '--outcome-timeout',
        '5m',
      );
      const url = await until('a server', () => /listening at (http\S+)/.exec(live.output)?.[1]);
      await untilStep(url, 30);
      const models = async (): Promise<ReadonlySet<string>> => {
        const answers = Array.from({ length: 20 }, async (_, user) => {
          const response = await fetch(`${url}/predict`, { method: 'POST', body: `{"rows":[{"user":"u${user}"}]}` });
          const { model, version } = (await response.json()) as { readonly model: string; readonly version: string };
          return `${model} ${version}`;
        });
        return new Set(await Promise.all(answers));
      };
      expect(await models()).toEqual(new Set(['stream 30', 'stream-canary 30']));
      appendFileSync(join(cwd, 'log', 'part-0.jsonl'), '{"user":"new","click":1}\n'.repeat(100));
      await until('an alarm', () => (/drift/.test(live.output) ? true : undefined));
      const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
      await until('a checkpoint that is held', async () =>
        /mtl_model_held\{model="stream"[^}]*\} 1/.test(await metrics()) ? true : undefined,
      );
      // A slow machine may save, and serve, a step before the window ends at step 40.
      const versions = new Map(Array.from(await models(), (each) => each.split(' ') as [string, string]));
      expect([versions.size, versions.get('stream-canary')]).toEqual([2, '30']);
      expect(Number(versions.get('stream'))).toBeGreaterThanOrEqual(30);
      expect(Number(versions.get('stream'))).toBeLessThan(40);
      expect(await (await fetch(`${url}/canary`)).json()).toMatchObject({ state: 'running' });
      appendRows(cwd, 600, 1);
      await untilStep(url, 100);
      expect(await models()).toEqual(new Set(['stream 100', 'stream-canary 30']));
      live.child.kill('SIGTERM');
      expect(await until('the end', () => live.child.exitCode ?? undefined)).toBe(143);
    },
  );

  it('ends at once if the second model cannot be compared', { tags: ['nightly'] }, async () => {
    const cwd = prepare();
    appendRows(cwd, 300, 1);
    const run = (...options: readonly string[]) => mtl(cwd, ['live', 'stream.yaml', '--port', '0', ...options]);
    const expectRefusal = async (options: readonly string[], code: number, text: string): Promise<void> => {
      const ended = await run(...options);
      expect([ended.code, ended.stdout + ended.stderr]).toEqual([code, expect.stringContaining(text)]);
    };
    await expectRefusal(
      ['--promote-if', 'ctr.auc'],
      2,
      'requires a channel, and mtl live serves the run that it trains',
    );
    await expectRefusal(['--share', '5'], 2, 'requires --canary RUN');
    await expectRefusal(['--shadow', 'runs/none'], 4, 'runs/none');
    writeFileSync(join(cwd, 'other.yaml'), CONFIG.replace('ctr:', 'buy:'));
    const train = ['train', 'other.yaml', '--follow', '--until-end', '--no-report', '--name', '1'];
    expect((await mtl(cwd, train)).code).toBe(0);
    // The server finds this after the first checkpoint.
    await expectRefusal(['--shadow', 'runs/other/1'], 2, 'tasks.ctr: differs from the present model');
  });

  it.each([
    { exits: [4, 2], expected: 2, starts: 2 },
    { exits: [4, 'served', 2, 0], expected: 0, starts: 4 },
  ])('starts a server again that ends with $exits', async ({ exits, expected, starts }) => {
    const cwd = prepare();
    mkdirSync(join(cwd, 'runs', 'stream', 'live', 'checkpoints', 'last'), { recursive: true });
    const count = join(cwd, 'count');
    const program = join(cwd, 'mtl.mjs');
    writeFileSync(
      program,
      `import { appendFileSync, readFileSync } from 'node:fs';
      if (process.argv[2] === 'train') setInterval(() => undefined, 1000);
      else {
        appendFileSync(${JSON.stringify(count)}, '.');
        const exit = ${JSON.stringify(exits)}[readFileSync(${JSON.stringify(count)}).length - 1];
        // The text is not a report: it may change, or be that of another program.
        console.log('listening at http://127.0.0.1:1');
        if (exit === 'served') process.send('ready', () => process.exit(1));
        else process.exitCode = exit;
      }`,
    );
    const stop = new AbortController();
    const ended = live({
      config: join(cwd, 'stream.yaml'),
      set: [`runs=${join(cwd, 'runs')}`],
      name: 'live',
      mtl: [process.execPath, program],
      trainArgs: [],
      serveArgs: [],
      signal: stop.signal,
      onLine: () => undefined,
      onRestart: () => undefined,
    });
    await until('the last start', () =>
      existsSync(count) && readFileSync(count).length === starts ? true : undefined,
    );
    if (expected === 0)
      setTimeout(500).then(
        () => stop.abort(),
        () => undefined,
      );
    expect((await ended) === 2).toBe(expected === 2);
    expect(readFileSync(count)).toHaveLength(starts);
  });

  it('ends both processes if it is killed', async () => {
    const cwd = prepare();
    appendRows(cwd, 300, 1);
    const live = startLive(cwd);
    const url = await until('a server', () => /listening at (http\S+)/.exec(live.output)?.[1]);
    const lock = join(cwd, 'runs', 'stream', 'live', 'run.lock');
    const owner = JSON.parse(readFileSync(lock, 'utf8')) as Parameters<typeof hasExited>[0];
    live.child.kill('SIGKILL');
    await until('the end of training', () => (hasExited(owner) === true ? true : undefined));
    await until('the end of the server', async () => ((await ask(url)) === undefined ? true : undefined));
  });

  it('ends at once if the config is invalid', async () => {
    const cwd = prepare();
    writeFileSync(join(cwd, 'stream.yaml'), CONFIG.replace('label:', 'lable:'));
    const { code, stderr } = await mtl(cwd, ['live', 'stream.yaml']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('lable')]);
  });
});
