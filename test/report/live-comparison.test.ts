import { createServer } from 'node:http';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { drawRecorded, report } from '../../src/report.js';
import type { LiveFigures, LiveLook } from '../../src/runs/live-figures.js';
import { scratchFolder } from '../support/scratch.js';

const look = (number: number, low: number, high: number, verdict: LiveLook['verdict']): LiveLook => ({
  number,
  rows: 1000 * 2 ** number,
  confidence: 1 - 0.05 / 2 ** number,
  difference: {
    output: 'ctr',
    metric: 'logLoss',
    goal: 'lower',
    a: 0.25,
    b: 0.24,
    difference: (low + high) / 2,
    low,
    high,
  },
  verdict,
});
const LIVE: LiveFigures = {
  kind: 'shadow',
  share: null,
  looks: [look(1, -0.02, 0.004, 'undecided'), look(2, -0.015, -0.001, 'better')],
  figures: {
    present: { ctr: { rows: 4321, logLoss: 0.25, auc: 0.61, pcoc: 0.97 } },
    candidate: { ctr: { rows: 4300, logLoss: 0.24, auc: 0.6, pcoc: 1.01 } },
    confidence: 0.95,
    differences: [
      { output: 'ctr', metric: 'auc', goal: 'higher', a: 0.61, b: 0.6, difference: -0.01, low: -0.015, high: -0.005 },
      {
        output: 'ctr',
        metric: 'logLoss',
        goal: 'lower',
        a: 0.25,
        b: 0.24,
        difference: -0.01,
        low: -0.012,
        high: -0.008,
      },
      { output: 'ctr', metric: 'pcoc', goal: 'none', a: 0.97, b: 1.01, difference: 0.04, low: 0.01, high: 0.07 },
    ],
  },
};
const GATE = {
  ...{ metric: 'ctr.logLoss', goal: 'lower', confidence: 0.9875, margin: 0, data: null, split: 'live', rows: 4000 },
  ...{ present: 0.25, candidate: 0.24, difference: -0.008, low: -0.015, high: -0.001 },
};
const record = (run: string, over: string, reason: string, day: number, more = {}): object => ({
  time: `2026-11-0${day}T10:20:30.456Z`,
  run,
  over,
  reason,
  checkpoint: 'step-00000010',
  sha256: 'a'.repeat(64),
  gate: GATE,
  ...more,
});

/** The directory of all runs, with `esmm/1` to `esmm/3` and a channel of decisions. */
let root: string;
beforeEach(() => {
  root = join(scratchFolder(), 'runs');
  for (const run of ['1', '2', '3']) {
    mkdirSync(join(root, 'esmm', run), { recursive: true });
    writeFileSync(join(root, 'esmm', run, 'config.source.yaml'), '');
  }
  mkdirSync(join(root, 'channels'));
  symlinkSync('../esmm/2', join(root, 'channels', 'prod'));
  const records = [
    record('esmm/1', 'esmm/0', 'ungated', 1, { gate: null }),
    record('esmm/2', 'esmm/1', 'better', 2, { live: LIVE }),
    record('esmm/3', 'esmm/2', 'rejected', 3),
    record('esmm/3', 'esmm/2', 'better', 4, { gate: { ...GATE, split: 'test' } }),
  ];
  writeFileSync(join(root, 'channels', 'prod.jsonl'), records.map((each) => `${JSON.stringify(each)}\n`).join(''));
  vi.stubEnv('MTL_RUNS', root);
});
afterEach(() => void vi.unstubAllEnvs());

const draw = (...runs: readonly string[]): string | undefined =>
  drawRecorded(
    runs.map((run) => join(root, 'esmm', run)),
    root,
  ).sections.find(({ title }) => title === 'Live comparison')?.body.markup;
/** The rows of all tables as texts of cells. */
const rowsOf = (markup: string): readonly (readonly string[])[] =>
  Array.from(markup.matchAll(/<tr>(.*?)<\/tr>/gs), ([, row]) =>
    Array.from(row!.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs), ([, cell]) => cell!.replace(/<[^>]+>/g, '')),
  );

describe('the section of live comparisons', () => {
  it('shows figures of both runs, looks with their levels, and the decision', () => {
    const page = draw('2')!;
    expect(rowsOf(page)).toEqual([
      // The newer record has no figures.
      ['', 'rows', 'level', 'difference', 'interval'],
      ['ctr.logLoss', '4,000', '98.75%', '✓ −0.0080', '−0.0150 … −0.0010'],
      ['', 'present', 'candidate', 'difference', '95% interval'],
      ['ctr rows', '4,321', '4,300', '', ''],
      ['ctr.auc', '0.6100', '0.6000', '✗ −0.0100', '−0.0150 … −0.0050'],
      ['ctr.logLoss', '0.2500', '0.2400', '✓ −0.0100', '−0.0120 … −0.0080'],
      ['ctr.pcoc', '0.9700', '1.0100', '+0.0400', '+0.0100 … +0.0700'],
      ['look', 'rows', 'level', 'ctr.logLoss', 'interval', 'verdict'],
      ['1', '2,000', '97.5%', '−0.0080', '−0.0200 … +0.0040', 'undecided'],
      ['2', '4,000', '98.75%', '✓ −0.0080', '−0.0150 … −0.0010', 'better'],
    ]);
    expect(page).toMatch(
      /esmm\/2: promoted<\/strong>, against \S*esmm\/1; shadow, both on the same rows; channel prod, 2026-11-02 10:20 UTC/,
    );
    expect(page).toMatch(/esmm\/3: rejected<\/strong>, against \S*esmm\/2; live requests; channel prod, 2026-11-03/);
    expect(page.indexOf('rejected')).toBeLessThan(page.indexOf('promoted'));
  });

  it('draws the intervals of the looks of the newest comparison', () => {
    expect(draw('1')).toContain('ctr.logLoss: difference by look');
    expect(draw('2')).not.toContain('difference by look');
  });

  it('is that of the candidate and of the run that served, once for both', () => {
    expect(rowsOf(draw('3')!)).toHaveLength(2);
    expect(rowsOf(draw('1', '2')!)).toHaveLength(rowsOf(draw('2')!).length);
    writeFileSync(join(root, 'channels', 'prod.jsonl'), '');
    expect(draw('2')).toBeUndefined();
  });
});

describe('mtl report --live', () => {
  const STATE = {
    ...{ ...LIVE, kind: 'canary', share: 0.05, looks: [], state: 'running', waiting: 3, counts: {} },
    present: { name: 'esmm', version: '7', checkpoint: '/runs/esmm/2/checkpoints/step-00000007' },
    candidate: { name: 'esmm-canary', version: '9', checkpoint: '/runs/esmm/3/checkpoints/step-00000009' },
  };
  /** Starts a server that answers GET /canary; returns its address. */
  async function answer(status: number, body: string, token?: string): Promise<string> {
    const server = createServer(({ url, headers }, response) => {
      const isAllowed = token === undefined || headers.authorization === `Bearer ${token}`;
      response.writeHead(url !== '/canary' ? 400 : isAllowed ? status : 401).end(body);
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const write = async (url: string, run: string, token?: string): Promise<string> =>
    readFileSync(await report({ runs: [join(root, 'esmm', run)], server: { url, token } }), 'utf8');

  it('adds the state of a server, whose runs may be in another directory', async () => {
    const url = await answer(200, JSON.stringify(STATE), 'secret');
    const page = await write(url, '3', 'secret');
    expect(page).toContain(
      'esmm/3: running</strong>, against esmm/2; canary on 5% of the requests, independent samples;',
    );
    expect(page).toContain(url);
    expect(rowsOf(page)).toContainEqual(['ctr.logLoss', '0.2500', '0.2400', '✓ −0.0100', '−0.0120 … −0.0080']);
    // The recorded rejection stays.
    expect(page).toContain('esmm/3: rejected');
    await expect(write(url, '3')).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/status 401; set MTL_TOKEN to the token/) as string,
    });
  });

  it('is an error for another run, another server, or none', async () => {
    const expectError = async (url: string, run: string, text: RegExp): Promise<void> => {
      await expect(write(url, run)).rejects.toMatchObject({
        kind: 'usage',
        message: expect.stringMatching(text) as string,
      });
    };
    const url = await answer(200, JSON.stringify(STATE));
    await expectError(url, '1', /the server compares esmm\/3 with esmm\/2, found .*esmm\/1; name one of them/);
    await expectError(await answer(404, ''), '3', /status 404; start npx mtl serve with --canary RUN or --shadow RUN/);
    await expectError(await answer(200, 'text'), '3', /--live http:\S+: cannot read GET \/canary: .*JSON/);
    await expectError(await answer(200, '{"kind": "canary"}'), '3', /cannot read GET \/canary: /);
    await expectError('http://127.0.0.1:1', '3', /cannot read GET \/canary: .*; name a running mtl serve/);
    await expectError('nowhere', '3', /--live nowhere: cannot read GET \/canary: Invalid URL/);
  });
});
