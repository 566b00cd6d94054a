/** @module-tag long */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { openJournal } from '../../src/study/journal.js';
import { leaderboard } from '../../src/study/leaderboard.js';
import { studyOptions } from '../../src/study/options.js';
import { writeStudyPage } from '../../src/study/page.js';
import { drawCoordinate, choosePoint } from '../../src/study/space.js';
import { openStudy } from '../../src/study/study.js';
import type { TrialResult } from '../../src/study/trial.js';
import { needsChromium, openPage } from '../support/chromium.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const HOSTILE = `</svg><script>document.title = 'hacked'</script><img src=x onerror="document.title='hacked'">"'&`;
const SPACE = {
  'training.optimizer.dense.learningRate': { type: 'log-uniform', low: 0.0005, high: 0.05 },
  'model.ctrTower.hidden': [[16], [32], [64, 32]],
  'model.ctrTower.dropout': { type: 'uniform', low: 0, high: 0.5 },
  'training.batchSize': { type: 'int', low: 128, high: 1024, step: 128 },
  'training.optimizer.dense': [{ name: 'adam' }, { name: HOSTILE }],
  'training.optimizer.dense.weightDecay': {
    type: 'log-uniform',
    low: 0.0001,
    high: 0.1,
    when: { 'training.optimizer.dense': { name: HOSTILE } },
  },
};

/** A study on disk with a journal of so many trials; gives its folder, and its page once it is drawn. */
async function drawn(
  space: object,
  count: number,
  resultOf: (number: number, value: number) => TrialResult | undefined,
): Promise<{ readonly path: string; readonly page: string }> {
  const options = studyOptions.parse({
    name: 'drawn',
    config: 'esmm.yaml',
    metric: 'ctcvr.auc',
    space,
    set: { 'training.epochs': 4 },
    trials: 100,
    search: { name: 'random' },
  });
  const { study } = await openStudy(
    join(scratchFolder(), 'drawn'),
    {
      config: '/esmm.yaml',
      options,
      seeds: [1, 2],
      goal: 'higher',
      goals: { 'ctr.auc': 'higher', 'ctcvr.auc': 'higher' },
    },
    '',
    '',
  );
  const journal = await openJournal(study.folder);
  for (let number = 1; number <= count; number++) {
    const random = randomStream(7, 'trial', number);
    const point = choosePoint(study.space, ({ domain }) => drawCoordinate(domain.axis, random));
    const rate = Math.log10(Number(point['training.optimizer.dense.learningRate'] ?? 0.004));
    await journal.begin(number, point);
    const result = resultOf(number, 0.8 - 0.02 * (rate + 2.4) ** 2 + 0.003 * random.normal());
    if (result !== undefined) await journal.end(number, result);
  }
  await journal.refresh();
  const path = await writeStudyPage(study, leaderboard(journal.trials, study.goal));
  return { path, page: readFileSync(path, 'utf8') };
}

function finished(number: number, value: number, end: 'finished' | 'stopped' = 'finished'): TrialResult {
  const run = (seed: number, found: number) => ({
    seed,
    run: `${number}/seed-${seed}`,
    value: found,
    bestEpoch: 1,
    epochs: 2,
    elapsedMs: 1500,
    metrics: { 'valid.ctr.auc': 1.4 - found + 0.01 * Math.sin(number), 'valid.ctcvr.auc': found },
  });
  return { end, value, deviation: 0.0028, runs: [run(1, value - 0.002), run(2, value + 0.002)] };
}
const mixed = (number: number, value: number): TrialResult | undefined =>
  number === 40
    ? undefined
    : number % 11 === 0
      ? { end: 'failed', value: null, deviation: null, message: HOSTILE, runs: [] }
      : finished(number, value, number % 5 === 0 ? 'stopped' : 'finished');

const titles = (page: string): readonly string[] => [...page.matchAll(/<h2>([^<]+)<\/h2>/g)].map(([, title]) => title!);

describe('the page of a study', () => {
  it('has a distinct label for each choice, in tables and on axes', async () => {
    const experts = (count: number): object => ({
      name: 'mmoe',
      tower: { hidden: [16], dropout: 0.1 },
      experts: { count, hidden: [8] },
    });
    const { page } = await drawn({ model: [experts(2), experts(4)], 'training.batchSize': [64, 128] }, 12, mixed);
    for (const label of ['count=2', 'count=4']) {
      expect(page).toMatch(new RegExp(`<td>name=mmoe[^<]*${label}[^<]*</td>`));
      // At the axes of parallel coordinates and of a slice.
      expect(page.match(new RegExp(`>${label}</text>`, 'g'))!.length).toBeGreaterThan(1);
    }
    expect(page).not.toContain('{&quot;name&quot;:&quot;mmoe&quot;,&quot;towe');
  });

  it('has all sections of a study with conditions, failures and stopped trials', async () => {
    const { page } = await drawn(SPACE, 40, mixed);
    expect(titles(page)).toEqual([
      'Leaderboard',
      'History',
      'Pareto front',
      'Parallel coordinates',
      'Importance',
      'Slices',
      'Study file',
    ]);
    expect(page).toMatch(/<dt>failed<\/dt><dd>3<\/dd>/);
    expect(page).toMatch(/trial \d+<\/th><td>finished<\/td><td>0\.\d{4} ± 0\.0028<\/td><td>3\.0 s<\/td>/);
    expect(page).toMatch(/weightDecay, set by \d+ of 36</);
    expect(page).toContain('not set');
    expect(page).toContain(
      '  training.optimizer.dense.weightDecay:\n    type: log-uniform\n    low: 0.0001\n    high: 0.1\n' +
        '    when:\n      training.optimizer.dense:\n',
    );
    // As text alone, and nothing from elsewhere.
    expect(page).toContain('&lt;img src=x');
    expect(page).not.toMatch(/<(script|link|img|iframe|object)\b|NaN|Infinity/i);
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each([
    ['one parameter', { 'training.batchSize': [128, 256] }, 12, mixed, true],
    ['one trial', SPACE, 1, finished, true],
    ['trials that are all alike', SPACE, 12, (number: number) => finished(number, 0.75), true],
    [
      'trials that all failed',
      SPACE,
      3,
      (): TrialResult => ({ end: 'failed', value: null, deviation: null, message: 'no memory', runs: [] }),
      false,
    ],
    [
      'trials that were all stopped',
      SPACE,
      9,
      (number: number, value: number) => finished(number, value, 'stopped'),
      true,
    ],
    ['none that is over', SPACE, 2, () => undefined, false],
    ['no trial', SPACE, 0, () => undefined, false],
  ] as const)('is drawn of a study with %s', async (_, space, count, resultOf, hasCharts) => {
    const { page } = await drawn(space, count, resultOf);
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
    expect(titles(page).includes('History')).toBe(hasCharts);
    expect(titles(page)).toContain('Study file');
  });

  it('is written again by mtl sweep show --html, which fails if it cannot write', async () => {
    const { path, page } = await drawn({ 'training.batchSize': [128, 256] }, 12, finished);
    const folder = join(path, '..');
    writeFileSync(path, '');
    const { code, stdout } = await mtl(folder, ['sweep', 'show', folder, '--html', '--json']);
    expect([code, (JSON.parse(stdout) as { page: string }).page.endsWith('study.html')]).toEqual([0, true]);
    expect(readFileSync(path, 'utf8')).toBe(page);
    const blocked = await drawn({ 'training.batchSize': [128, 256] }, 2, finished);
    rmSync(blocked.path);
    mkdirSync(blocked.path);
    expect(await mtl(folder, ['sweep', 'show', join(blocked.path, '..'), '--html'])).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/study\.html: cannot be written: it is a directory/) as string,
    });
  });
});

describe('in a browser', { tags: ['nightly'] }, () => {
  it.for([
    [390, 'light'],
    [390, 'dark'],
    [1400, 'light'],
    [1400, 'dark'],
  ] as const)(
    '%i pixels wide and %s, the page has its charts, no complaint, and hostile names as text',
    async ([width, scheme], context) => {
      const browser = needsChromium(context);
      const { path } = await drawn(SPACE, 40, mixed);
      const page = await openPage(browser, pathToFileURL(path).href, { width, scheme });
      try {
        const found = await page.evaluate(`({
        title: document.title,
        scripts: document.querySelectorAll('script, img, iframe').length,
        figures: document.querySelectorAll('figure').length,
        empty: [...document.querySelectorAll('figure')].filter((figure) => {
          const { width, height } = figure.querySelector('[role=img] svg').getBoundingClientRect();
          return width < 150 || height < 30;
        }).length,
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        paper: getComputedStyle(document.body).backgroundColor,
      })`);
        expect(found).toEqual({
          title: 'drawn',
          scripts: 0,
          figures: 10,
          empty: 0,
          overflow: 0,
          paper: scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 25, 31)',
        });
        expect(page.complaints).toEqual([]);
        if (process.env['MTL_KEEP_SHOTS'] !== undefined)
          writeFileSync(join(process.env['MTL_KEEP_SHOTS'], `${width}-${scheme}.png`), await page.screenshot());
      } finally {
        await page.close();
      }
    },
  );
});
