/** @module-tag long */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { report } from '../../src/report.js';
import { sections } from '../../src/report/all.js';
import { needsChromium, openPage } from '../support/chromium.js';
import { mtl } from '../support/mtl.js';
import { smallWorld } from '../support/small-run.js';

const HOSTILE = `<script>document.title = 'hacked'</script><img src=x onerror="document.title='hacked'">"'&`;

let world: string;
const before = process.cwd();
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-report-'));
  await smallWorld(world);
  process.chdir(world);
  // A column, its values and a field that look like markup.
  for (const split of ['train', 'valid', 'test']) {
    const lines = readFileSync(`${split}.csv`, 'utf8').trimEnd().split('\n');
    const quoted = (text: string): string => `"${text.replace(/"/g, '""')}"`;
    const valueOf = (row: number): string => (row % 2 === 0 ? quoted(`</svg>${HOSTILE}`) : `value of ${split}`);
    const extended = lines.map((line, i) => `${line},${i === 0 ? quoted(HOSTILE) : valueOf(i - 1)}\n`);
    writeFileSync(`${split}.csv`, extended.join(''));
  }
  const extra = JSON.stringify({ type: 'categorical', fields: [HOSTILE], width: 2, encoding: { name: 'tokens' } });
  for (const [model, name] of [
    ['esmm', 'a'],
    ['mmoe', 'b'],
  ]) {
    const { code, stderr, stdout } = await mtl(world, [
      'train',
      `${model}.yaml`,
      '--run-dir',
      name!,
      '--threads',
      '1',
      '--set',
      'training.diagnostics.everySteps=5',
      '--set',
      'training.logEverySteps=2',
      '--set',
      `features.more=${extra}`,
      '--set',
      `evaluation.segmentBy=${JSON.stringify([HOSTILE])}`,
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(join(name!, 'report.html'));
  }
  expect(await report({ runs: ['a', 'b'], out: 'both.html' })).toBe('both.html');
}, 120_000);
afterAll(() => {
  process.chdir(before);
  rmSync(world, { recursive: true, force: true });
});

const titles = (page: string): readonly string[] => [...page.matchAll(/<h2>([^<]+)<\/h2>/g)].map(([, title]) => title!);

describe('the report of a run', () => {
  it('is written at the end of the run, with every section that has content', () => {
    const one = readFileSync(join('b', 'report.html'), 'utf8');
    // The run has no warnings.
    expect(['Warnings', ...titles(one)]).toEqual(sections.map(({ title }) => title));
    // ESMM has no experts, and its tasks share embeddings only; conflicts are still measured.
    expect(readFileSync(join('a', 'report.html'), 'utf8')).not.toContain('gate of');
    expect(one).toContain('gate of ctr');
  });

  it('is identical when rendered again from the directory alone', async () => {
    for (const run of ['a', 'b']) {
      expect(await report({ runs: [run], out: 'again.html' })).toBe('again.html');
      expect(readFileSync('again.html', 'utf8')).toBe(readFileSync(join(run, 'report.html'), 'utf8'));
    }
  });

  it('shows the metrics and the config values that differ from the defaults', () => {
    const page = readFileSync(join('a', 'report.html'), 'utf8');
    const { metrics } = JSON.parse(readFileSync(join('a', 'summary.json'), 'utf8')) as {
      metrics: { test: Record<string, { auc: number }> };
    };
    expect(page).toContain(`<td>${metrics.test['ctcvr']!.auc.toFixed(4)}</td>`);
    expect(page).toMatch(/<code>training\.epochs<\/code><\/th><td><code>4<\/code><\/td><td><code>1<\/code>/);
    expect(page).not.toContain('training.optimizer.dense.name');
  });

  it('is self-contained and has unique ids', () => {
    const page = readFileSync(join('b', 'report.html'), 'utf8');
    expect(page).not.toMatch(/<(script|link|img|iframe|object)\b/i);
    const addresses = [...page.matchAll(/\b(?:href|src|xlink:href)="([^"]*)"/g)].map(([, address]) => address!);
    expect(addresses.filter((address) => !address.startsWith('#'))).toEqual([]);
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('is skipped with --no-report', async () => {
    const { code, stdout } = await mtl(world, [
      'train',
      'esmm.yaml',
      '--run-dir',
      'plain',
      '--no-report',
      '--set',
      'training.epochs=1',
    ]);
    expect([code, existsSync(join('plain', 'report.html')), stdout.includes('report')]).toEqual([0, false, false]);
  });

  it('only causes a warning if it cannot be written', async () => {
    // A directory with this name blocks the page.
    expect(
      (await mtl(world, ['train', 'esmm.yaml', '--run-dir', 'blocked', '--no-report', '--set', 'training.epochs=1']))
        .code,
    ).toBe(0);
    mkdirSync(join('blocked', 'report.html'));
    const { code, stdout } = await mtl(world, ['train', '--resume', 'blocked', '--set', 'training.epochs=2']);
    expect([code, existsSync(join('blocked', 'results.csv'))]).toEqual([0, true]);
    expect(stdout).toMatch(/cannot write the report: .*report\.html: cannot be written: it is a directory/);
  });
});

describe('the report of several runs', () => {
  it('overlays their curves and shows where their configs differ', () => {
    const page = readFileSync('both.html', 'utf8');
    expect(titles(page)).toEqual(sections.map(({ title }) => title));
    expect(page).toMatch(/<code>model\.name<\/code><\/th><td><code>esmm<\/code><\/td><td><code>mmoe<\/code>/);
    expect(page).not.toContain('<code>training.epochs</code>');
  });

  it('names each run once and is written to --out', async () => {
    const { code, stdout } = await mtl(world, ['report', 'a', 'b', 'a', '--out', 'twice.html', '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([0, { runs: ['a', 'b', 'a'], report: 'twice.html' }]);
    expect(readFileSync('twice.html', 'utf8')).toContain('<h1>2 runs</h1>');
  });

  it('rejects a path that is no run', async () => {
    await expect(report({ runs: ['a', 'nowhere'] })).rejects.toThrow(/nowhere: no such directory/);
    await expect(report({ runs: ['.'] })).rejects.toThrow(/is not a run directory/);
  });

  it('accepts a run without an epoch and damaged files', async () => {
    const { code } = await mtl(world, [
      'train',
      'esmm.yaml',
      '--run-dir',
      'broken',
      '--no-report',
      '--set',
      'training.epochs=1',
    ]);
    expect(code).toBe(0);
    for (const file of [
      'metrics.jsonl',
      'scores.json',
      'data.json',
      'summary.json',
      'log.jsonl',
      'config.resolved.yaml',
      'environment.json',
    ])
      writeFileSync(join('broken', file), '{"not": ');
    renameSync(join('broken', 'results.csv'), 'gone.csv');
    expect(readFileSync(await report({ runs: ['broken'] }), 'utf8')).toContain('<h1>broken</h1>');
    expect(readFileSync(await report({ runs: ['broken', 'a'], out: 'with-broken.html' }), 'utf8')).toContain(
      '<h1>2 runs</h1>',
    );
  });
});

describe('in a browser', () => {
  it.for([
    [390, 'light'],
    [390, 'dark'],
    [1400, 'light'],
    [1400, 'dark'],
  ] as const)(
    'at %i pixels width and %s, the page has its charts, no console error, and hostile names as text',
    async ([width, scheme], context) => {
      const browser = needsChromium(context);
      for (const file of [join('b', 'report.html'), 'both.html']) {
        const page = await openPage(browser, pathToFileURL(join(world, file)).href, { width, scheme });
        try {
          const found = (await page.evaluate(`({
          title: document.title,
          scripts: document.querySelectorAll('script, img, iframe').length,
          figures: document.querySelectorAll('figure').length,
          empty: [...document.querySelectorAll('figure')].filter((figure) => {
            const { width, height } = figure.querySelector('.chart svg').getBoundingClientRect();
            return width < 150 || height < 30;
          }).length,
          marks: document.querySelectorAll('.chart svg path, .chart svg line').length,
          isHostileShown: document.body.innerText.includes(${JSON.stringify(HOSTILE.slice(0, 12))}),
          overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
          paper: getComputedStyle(document.body).backgroundColor,
        })`)) as { figures: number; marks: number };
          expect(found).toMatchObject({
            title: file === 'both.html' ? '2 runs' : 'b',
            scripts: 0,
            empty: 0,
            isHostileShown: true,
            overflow: 0,
            paper: scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 25, 31)',
          });
          expect(found.figures).toBeGreaterThan(25);
          expect(found.marks).toBeGreaterThan(found.figures);
          expect(page.complaints).toEqual([]);
        } finally {
          await page.close();
        }
      }
    },
  );
});
