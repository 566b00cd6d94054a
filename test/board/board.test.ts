import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { board } from '../../src/board.js';
import { lockRun } from '../../src/runs/lock.js';
import { needsChromium, openPage } from '../support/chromium.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, smallWorld, trainSmall } from '../support/small-run.js';

const HOSTILE = `<img src=x onerror="document.title='hacked'">`;

/** A directory of runs with two completed ones, `esmm/one` and `esmm/two`. */
let runs: string;
beforeAll(async () => {
  const world = mkdtempSync(join(tmpdir(), 'mtl-board-'));
  await smallWorld(world);
  runs = join(world, 'runs');
  for (const name of ['one', 'two'])
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: join(runs, 'esmm', name),
      set: name === 'two' ? ['training.epochs=2', 'training.logEverySteps=2'] : [],
    });
  return () => rmSync(world, { recursive: true, force: true });
});

async function startBoard(root = runs): Promise<{ readonly url: string; readonly bugs: readonly string[] }> {
  const bugs: string[] = [];
  const { url, close } = await board({
    root,
    host: '127.0.0.1',
    port: 0,
    everyMs: 20,
    onBug: (text) => void bugs.push(text),
  });
  onTestFinished(async () => {
    await close();
    expect(bugs).toEqual([]);
  });
  return { url, bugs };
}

/** Reads server-sent updates of a page until one matches. */
async function untilUpdate(
  url: string,
  page: string,
  change: () => void,
  isIt: (update: { readonly titles?: readonly string[]; readonly id?: string; readonly markup?: string }) => boolean,
): Promise<void> {
  const response = await fetch(`${url}/updates?page=${encodeURIComponent(page)}`);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  let rest = '';
  let isChanged = false;
  for await (const bytes of response.body!) {
    rest += Buffer.from(bytes).toString();
    const events = rest.split('\n\n');
    rest = events.pop()!;
    for (const event of events) {
      const [, data] = /^data: (.*)$/s.exec(event) ?? [];
      if (isChanged && data !== undefined && isIt(JSON.parse(data) as Parameters<typeof isIt>[0])) return;
    }
    // A comment follows the first content.
    if (!isChanged && events.includes(':')) {
      change();
      isChanged = true;
    }
  }
  throw new Error('the stream ended');
}

function listFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((path) => `${path} ${statSync(join(folder, path)).mtimeMs} ${statSync(join(folder, path)).size}`);
}

describe('mtl board', () => {
  it('shows all runs, a run and a comparison, and writes nothing', async () => {
    const before = listFiles(runs);
    const { url } = await startBoard();
    const home = await (await fetch(url)).text();
    expect(home).toContain('2 runs · 0 running');
    expect(home).toContain('href="/run?run=esmm%2Fone"');
    expect(home).toMatch(/ctcvr\.auc 0\.\d{4}/);
    const run = await (await fetch(`${url}/run?run=esmm/one`)).text();
    expect(run).toContain('<h2>Results</h2>');
    expect(run).toContain('<h2>Log</h2>');
    const compared = await (await fetch(`${url}/run?run=esmm/one&run=esmm/two`)).text();
    expect(compared).toContain('<h1>2 runs</h1>');
    expect(listFiles(runs)).toEqual(before);
  });

  it.each([
    ['/run?run=esmm/three', "?run: no run 'esmm/three'"],
    ['/run?run=../runs/esmm/one', "?run: no run '../runs/esmm/one'"],
    ['/run', '?run: expected a run'],
    ['/study?study=..', "?study: no study '..'"],
    ['/updates?page=/etc/passwd', '?page: expected the path of a page'],
    ['/updates?page=/run?run=no', "?run: no run 'no'"],
    ['/runs', '/runs: unknown path'],
  ])('refuses %s', async (path, message) => {
    const { url } = await startBoard();
    const response = await fetch(url + path);
    expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([
      404,
      expect.stringContaining(message),
    ]);
  });

  it('shows alarms of a running stream, and the last decision by live requests', async () => {
    const root = scratchFolder();
    cpSync(runs, root, { recursive: true });
    const window = { window: 1, step: 5, rows: 9, records: 9, rejected: 0, elapsedMs: 1, alarms: ['one', 'two'] };
    const line = JSON.stringify({ ...window, progressive: { metrics: {} } });
    appendFileSync(join(root, 'esmm', 'one', 'metrics.jsonl'), `${line}\n`);
    const lock = await lockRun(join(root, 'esmm', 'one'), () => undefined);
    onTestFinished(() => lock.release());
    const gate = {
      ...{ metric: 'ctr.auc', goal: 'higher', confidence: 0.95, margin: 0, data: null, split: 'live', rows: 9 },
      ...{ present: 0.6, candidate: 0.5, difference: -0.1, low: -0.2, high: -0.05 },
    };
    const record = { time: '2026-11-01', run: 'esmm/two', over: 'esmm/one', checkpoint: null, sha256: null, gate };
    mkdirSync(join(root, 'channels'));
    const history = join(root, 'channels', 'prod.jsonl');
    writeFileSync(history, `${JSON.stringify({ ...record, reason: 'better' })}\n`);
    const { url } = await startBoard(root);
    const home = await (await fetch(url)).text();
    expect(home).toContain('<th scope="col">alarms</th>');
    expect(home).toContain('<span class="worse">2</span>');
    expect(home).toContain('<td>promoted, prod</td>');
    expect(await (await fetch(`${url}/run?run=esmm/one`)).text()).toContain('esmm/two: promoted</strong>');
    await untilUpdate(
      url,
      '/',
      () => appendFileSync(history, `${JSON.stringify({ ...record, time: '2026-11-02', reason: 'rejected' })}\n`),
      ({ markup = '' }) => markup.includes('<td>rejected, prod</td>'),
    );
  });

  it('refuses the name of another site', async () => {
    const { url } = await startBoard();
    const { port } = new URL(url);
    const status = await new Promise((resolve) => {
      request({ port, host: '127.0.0.1', headers: { host: 'runs.example.com' } }, ({ statusCode }) =>
        resolve(statusCode),
      ).end();
    });
    expect(status).toBe(403);
  });

  it('refuses a directory that does not exist', async () => {
    const missing = join(scratchFolder(), 'none');
    const opened = board({ root: missing, host: '127.0.0.1', port: 0, onBug: () => undefined });
    await expect(opened).rejects.toThrow(`${missing}: expected a directory of runs`);
  });

  it('sends what changed in a run', async () => {
    const root = scratchFolder();
    cpSync(runs, root, { recursive: true });
    const { url } = await startBoard(root);
    const metrics = join(root, 'esmm', 'two', 'metrics.jsonl');
    const line = readFileSync(metrics, 'utf8').split('\n')[0]!;
    const far = JSON.stringify({ ...(JSON.parse(line) as object), step: 987_000 });
    await untilUpdate(
      url,
      '/run?run=esmm/two',
      () => appendFileSync(metrics, `${far}\n`),
      ({ markup = '' }) => markup.includes('>1M<') || markup.includes('900k'),
    );
    await untilUpdate(
      url,
      '/run?run=esmm/two',
      () => appendFileSync(join(root, 'esmm', 'two', 'log.jsonl'), `{"time":"now","event":"warning","text":"late"}\n`),
      ({ titles, markup = '' }) => titles?.includes('Warnings') === true || markup.includes('text: late'),
    );
  });

  it('ends the updates of a run that was removed', async () => {
    const root = scratchFolder();
    cpSync(runs, root, { recursive: true });
    const { url } = await startBoard(root);
    const response = await fetch(`${url}/updates?page=${encodeURIComponent('/run?run=esmm/two')}`);
    rmSync(join(root, 'esmm', 'two'), { recursive: true });
    // Otherwise, the test would time out.
    await response.text().catch(() => undefined);
    expect((await fetch(`${url}/run?run=esmm/two`)).status).toBe(404);
  });

  it('shows a directory without runs', async () => {
    const { url } = await startBoard(scratchFolder());
    expect(await (await fetch(url)).text()).toContain('No runs yet');
  });

  it('lists thousands of runs, the newest first', async () => {
    const root = scratchFolder();
    for (let r = 0; r < 2000; r++) {
      const folder = join(root, 'many', String(r).padStart(4, '0'));
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'config.source.yaml'), '');
    }
    const { url } = await startBoard(root);
    const home = await (await fetch(url)).text();
    expect(home).toContain('The newest 200 of 2,000');
    expect((await (await fetch(`${url}/?all`)).text()).match(/name="run"/g)).toHaveLength(2000);
  });
});

describe('in a browser', { tags: ['nightly'] }, () => {
  it.for([390, 1400])('follows a run without a reload, at %i pixels', async (width, context) => {
    const browser = needsChromium(context);
    const root = scratchFolder();
    const world = scratchFolder();
    await smallWorld(world);
    cpSync(join(runs, 'esmm', 'one'), join(root, 'esmm', HOSTILE.replaceAll('/', '')), { recursive: true });
    const { url } = await startBoard(root);
    const page = await openPage(browser, url, { width, scheme: 'light' });
    onTestFinished(() => page.close());
    const until = async (script: string): Promise<void> => {
      for (let i = 0; i < 200; i++) {
        if ((await page.evaluate(script)) === true) return;
        await setTimeout(100);
      }
      throw new Error(`never: ${script}: ${String(await page.evaluate('document.body.innerText'))}`);
    };
    await until(`document.getElementById('connection').textContent === 'live'`);
    await page.evaluate(`window.same = true; document.querySelector('input').checked = true`);
    const { signal, on } = abortAtStep(9);
    await trainSmall(join(world, 'esmm.yaml'), { runDir: join(root, 'esmm', 'live'), signal, on });
    await until(`document.body.innerText.includes('esmm/live') && document.body.innerText.includes('stopped')`);
    expect(await page.evaluate('window.same')).toBe(true);
    expect(await page.evaluate(`document.querySelectorAll('input:checked').length`)).toBe(1);
    expect(await page.evaluate('document.title')).toBe('Runs');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(page.complaints).toEqual([]);
  });
});
