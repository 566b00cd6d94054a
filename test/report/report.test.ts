/** @module-tag long */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Difference } from '../../src/diff/compare.js';
import type { Report } from '../../src/evaluation/evaluation.js';
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

const captionsOf = (page: string): readonly string[] =>
  [...page.matchAll(/<figcaption>([^<]+?) ?(?:<small>.*?)?<\/figcaption>/g)].map(([, caption]) => caption!);
const withoutDetails = (page: string): string => page.replace(/<details>.*?<\/details>/gs, '');
const titles = (page: string): readonly string[] => [...page.matchAll(/<h2>([^<]+)<\/h2>/g)].map(([, title]) => title!);

describe('the report of a run', () => {
  it('is written at the end of the run, with every section that has content', () => {
    const one = readFileSync(join('b', 'report.html'), 'utf8');
    // The run has neither a live comparison nor a stream, teachers or warnings.
    const absent = ['Live comparison', 'Stream', 'Teachers', 'Warnings'];
    expect(titles(one)).toEqual(sections.map(({ title }) => title).filter((title) => !absent.includes(title)));
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
    expect(page).toContain(`ctcvr.auc on test\n<strong>${metrics.test['ctcvr']!.auc.toFixed(4)}</strong>`);
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

  it('leads with the answer: results, drivers and errors precede curves and details', () => {
    const order = titles(readFileSync(join('b', 'report.html'), 'utf8'));
    const places = ['Results', 'Drivers', 'Segments', 'Training', 'Speed'].map((title) => order.indexOf(title));
    expect(places).toEqual([...places].sort((x, y) => x - y));
    expect(places[0]).toBe(0);
  });

  it('has one chart and one table per metric, with the tasks as lines and rows', () => {
    const page = withoutDetails(readFileSync(join('a', 'report.html'), 'utf8'));
    for (const metric of ['auc', 'logLoss', 'pcoc']) {
      const captions = captionsOf(page).filter((caption) => caption.split(/[ .]/).includes(metric));
      expect(captions).toEqual([metric, `${metric} on valid`]);
    }
    for (const title of ['ROC', 'reliability', 'lift of the top rows'])
      expect(captionsOf(page).filter((caption) => caption.endsWith(title))).toEqual([title]);
    const [legend] = /auc on valid<.*?<div class="legend">(.*?)<\/div>/s.exec(page)!.slice(1);
    expect([...legend!.matchAll(/<\/svg>(\w+)<\/span>/g)].map(([, name]) => name)).toEqual(['ctr', 'cvr', 'ctcvr']);
    expect(page).not.toContain('cvr_all');
    expect(readFileSync(join('a', 'report.html'), 'utf8')).toContain('<summary>On all rows: cvr_all</summary>');
  });

  it('has no empty rows', async () => {
    await report({ runs: ['a', 'b'], out: 'both.html' });
    for (const file of [join('a', 'report.html'), join('b', 'report.html'), 'both.html']) {
      const rows = [...readFileSync(file, 'utf8').matchAll(/<tr><th scope="row">.*?<\/th>(.*?)<\/tr>/gs)];
      expect(rows.length).toBeGreaterThan(20);
      for (const [row, cells] of rows) expect([row, cells!.replace(/<[^>]*>|-|\s/g, '')]).not.toEqual([row, '']);
    }
  });

  it('shows permutation importance once it is stored in the run', async () => {
    const page = readFileSync(join('a', 'report.html'), 'utf8');
    expect(page).toContain('npx mtl importance a --out a/importance.json');
    const { code, stderr } = await mtl(world, ['importance', 'a', '--out', join('a', 'importance.json')]);
    expect([code, stderr]).toEqual([0, '']);
    const drawn = readFileSync(await report({ runs: ['a'], out: 'drivers.html' }), 'utf8');
    expect(drawn).toContain('drop of ctcvr.auc on valid');
    expect(drawn).not.toContain('npx mtl importance');
    rmSync(join('a', 'importance.json'));
  });

  it('compares a run with the previous run of its config name, paired by mtl report', async () => {
    for (const [seed, name] of ['earlier', 'later'].entries()) {
      const flags = ['--name', name, '--set', 'training.epochs=1', '--set', `seed=${seed}`];
      expect((await mtl(world, ['train', 'esmm.yaml', ...flags])).code).toBe(0);
    }
    const folder = join('runs', 'esmm', 'later');
    const unpaired = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(unpaired).toContain('previous run esmm/earlier');
    expect(unpaired).toContain('are of independent samples; mtl report pairs the rows.');
    expect((await mtl(world, ['report', folder])).code).toBe(0);
    const paired = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(paired).not.toContain('independent samples');
    const { code, stdout } = await mtl(world, ['diff', 'runs/esmm/earlier', folder, '--json']);
    const { metrics } = JSON.parse(stdout) as { metrics: readonly Difference[] };
    const { difference, low, high } = metrics.find((each) => each.output === 'ctcvr' && each.metric === 'auc')!;
    expect(code).toBe(0);
    expect(paired).toContain(`${Math.abs(difference!).toFixed(4)}</span>`);
    expect(paired).toContain(`±${((high! - low!) / 2).toFixed(4)}</span>`);
  });

  it('shows a baseline of the summary, whose differences have no interval', async () => {
    const path = join('b', 'summary.json');
    const text = readFileSync(path, 'utf8');
    const summary = JSON.parse(text) as { metrics: { test: Report } };
    const metrics = { ctcvr: { ...summary.metrics.test['ctcvr'], auc: 0.25 } };
    writeFileSync(path, JSON.stringify({ ...summary, baseline: { name: 'simple', rows: 9, split: 'test', metrics } }));
    const page = readFileSync(await report({ runs: ['b'], out: 'baseline.html' }), 'utf8');
    writeFileSync(path, text);
    const difference = `+${((summary.metrics.test['ctcvr']!['auc'] as number) - 0.25).toFixed(4)}`;
    const card = page.match(/<figure><figcaption>auc .*?<\/figure>/s)?.[0] ?? '';
    expect(card.match(/<th scope="col">simple<\/th>/g)).toHaveLength(1);
    expect(page).toContain(`<li>difference from the simple baseline: <span class="same">${difference}</span>`);
    expect(page).toContain('<td>0.2500<small>');
  });

  it('names the error of a failed run first', async () => {
    const rate = 'training.optimizer.dense.learningRate=1e30';
    expect((await mtl(world, ['train', 'esmm.yaml', '--run-dir', 'diverged', '--set', rate])).code).toBe(6);
    const page = readFileSync(await report({ runs: ['diverged'] }), 'utf8');
    expect(page).toMatch(/<h2>Results<\/h2>.*?<p class="alert">failed: epoch 1, .*learning rate/s);
    expect(titles(page)).toContain('Warnings');
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
    // Two runs have no importance, and these neither teachers nor a live comparison.
    const absent = ['Drivers', 'Teachers', 'Live comparison'];
    const shown = sections.map(({ title }) => title).filter((title) => !absent.includes(title));
    expect(titles(page)).toEqual(shown.filter((title) => titles(page).includes(title)));
    expect(titles(page).length).toBeGreaterThan(shown.length - 2);
    expect(page).toMatch(/<code>model\.name<\/code><\/th><td><code>esmm<\/code><\/td><td><code>mmoe<\/code>/);
    expect(page).not.toContain('<code>training.epochs</code>');
  });

  it('marks the best run of each metric and shows paired differences from the first', async () => {
    const { code, stderr } = await mtl(world, ['report', 'a', 'b', '--out', 'paired.html']);
    expect([code, stderr]).toEqual([0, '']);
    const page = withoutDetails(readFileSync('paired.html', 'utf8'));
    expect(page).not.toContain('independent samples');
    const metrics = ['a', 'b'].map(
      (run) =>
        (JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')) as { metrics: { test: Report } }).metrics.test,
    );
    for (const output of ['ctr', 'cvr', 'ctcvr']) {
      const [a, b] = metrics.map((report) => report[output]!['auc'] as number);
      const card = new RegExp(`<figcaption>${output}\\.auc .*?</figure>`, 's').exec(page)![0];
      const best = /scope="row">(\w+) <small class="better">best/.exec(card)!.slice(1);
      expect(best).toEqual([a! > b! ? 'a' : 'b']);
      expect(card).toContain(`${(b! - a!).toFixed(4).replace('-', '')}</span>`);
    }
    await report({ runs: ['a', 'b'], out: 'recorded.html' });
    expect(readFileSync('recorded.html', 'utf8')).toContain('independent samples; mtl report pairs the rows.');
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

describe('in a browser', { tags: ['nightly'] }, () => {
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
            const { width, height } = figure.querySelector('.chart svg, table').getBoundingClientRect();
            return figure.closest('details') === null && (width < 150 || height < 30);
          }).length,
          scrolled: [...document.querySelectorAll('figure .wide')].filter(
            ({ scrollWidth, clientWidth }) => scrollWidth > clientWidth,
          ).length,
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
            scrolled: 0,
            paper: scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 25, 31)',
          });
          expect(found.figures).toBeGreaterThan(15);
          expect(found.marks).toBeGreaterThan(found.figures);
          expect(page.complaints).toEqual([]);
        } finally {
          await page.close();
        }
      }
    },
  );
});
