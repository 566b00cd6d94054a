/** @module-tag long */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeData } from '../../src/data/info/describe-data.js';
import { createRowFormat } from '../../src/data/rows/row-format.js';
import { listTasks } from '../../src/config/experiment.js';
import { loadConfig } from '../../src/config/load.js';
import { evaluate } from '../../src/evaluate.js';
import { predict } from '../../src/predict.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const page = readFileSync('docs/reference/data.md', 'utf8');
const examples = [page, readFileSync('docs/how-to/use-my-data.md', 'utf8')].flatMap((text) =>
  [...text.matchAll(/^```yaml\n(data:\n[^]*?)^```$/gm)].map(([, yaml]) => yaml!),
);
const DAYS = ['2026-11-01', '2026-11-02', '2026-11-03', '2026-11-04'];

/** Creates the files that the page describes: logs by day, and the same rows as partitions. */
function world(): string {
  const folder = scratchFolder();
  for (const name of ['logs', ...DAYS.map((day) => `days/ds=${day}`)])
    mkdirSync(join(folder, name), { recursive: true });
  for (const [d, day] of DAYS.entries()) {
    const rows = Array.from(
      { length: 60 },
      (_, i) => `${i % 3 === d % 2 ? 1 : 0},u${(i * 7 + d) % 17},${['DE', 'AT', 'CH'][(i + d) % 3]},${500 + i * 30}\n`,
    ).join('');
    writeFileSync(join(folder, 'logs', `${day}.csv`), `click,user,country,play_ms\n${rows}`);
    writeFileSync(join(folder, 'days', `ds=${day}`, 'part-0.csv'), `click,user,country,play_ms\n${rows}`);
  }
  writeFileSync(join(folder, 'days', '_SUCCESS'), '');
  return folder;
}

function configOf(folder: string, data: string): string {
  const path = join(folder, 'config.yaml');
  writeFileSync(
    path,
    `${data}
features:
  ids: { type: categorical, fields: [user, country], width: 4, encoding: { name: tokens } }
  play: { type: numeric, fields: [play_ms], scaling: standard }
tasks: { ctr: { label: click } }
model: { name: shared-bottom, tower: { hidden: [4] } }
training: { epochs: 1, batchSize: 32 }
`,
  );
  return path;
}

describe('data pages', () => {
  it.each(examples)('have a working example:\n%s', async (yaml) => {
    const folder = world();
    const { experiment } = await loadConfig(configOf(folder, yaml));
    const format = createRowFormat({ tasks: listTasks(experiment), groups: Object.values(experiment.features) });
    const { splits, warnings } = await describeData(experiment.data, format, { cache: { folder: scratchFolder() } });
    const { data } = parse(yaml) as { data: Record<string, unknown> };
    expect(splits.every(({ rows, badRows }) => rows > 0 && badRows === 0)).toBe(true);
    expect(warnings.filter((line) => line.includes('bad row'))).toEqual([]);
    if (data['where'] === undefined && data['source'] !== undefined)
      expect(splits.reduce((sum, { rows }) => sum + rows, 0)).toBe(240);
    if (data['source'] === undefined) expect(splits.map(({ split }) => split)).toEqual(Object.keys(data));
  });

  it(
    'have a split of partitions by date that trains, evaluates and predicts, and rejects changed files',
    { timeout: 60_000 },
    async () => {
      const folder = world();
      const config = configOf(
        folder,
        examples.find((yaml) => yaml.includes('by: date'))!,
      );
      const run = join(folder, 'run');
      const { metrics } = await trainSmall(config, { runDir: run });
      expect(Object.keys(metrics)).toEqual(['valid', 'test']);
      const quiet = {
        device: 'cpu',
        threads: 1,
        onWarning: () => undefined,
        signal: new AbortController().signal,
      } as const;
      const again = await evaluate({ path: run, ...quiet });
      expect(again.metrics).toEqual(metrics);
      const test = `${folder}/days/ds=2026-11-04/*.csv`;
      expect((await evaluate({ path: run, data: [test], ...quiet })).metrics).toEqual({ test: metrics['test'] });
      const out = join(folder, 'scores.csv');
      const [, told] = /--data "([^"]+)"/.exec(page)!;
      await predict({ path: run, data: join(folder, told!), out, keep: ['ds', 'user'], prefix: '', ...quiet });
      const [header, ...rows] = readFileSync(out, 'utf8').trimEnd().split('\n');
      expect(header).toBe('ds,user,ctr');
      expect(rows.map((row) => row.split(',')[0])).toEqual([
        ...new Array<string>(60).fill('2026-11-02'),
        ...new Array<string>(60).fill('2026-11-03'),
      ]);
      mkdirSync(join(folder, 'days', 'ds=2026-11-05'));
      writeFileSync(join(folder, 'days', 'ds=2026-11-05', 'part-0.csv'), 'click,user,country,play_ms\n1,u1,DE,1000\n');
      await expect(trainSmall(config, { runDir: run, resume: run, set: ['training.epochs=2'] })).rejects.toThrow(
        /ds=2026-11-05\/part-0\.csv: data\.train: did not exist at training/,
      );
    },
  );

  it('rejects a resume with reordered files', { timeout: 60_000 }, async () => {
    const folder = world();
    const run = join(folder, 'run');
    await trainSmall(configOf(folder, 'data: { train: [logs/2026-11-01.csv, logs/2026-11-02.csv] }\n'), {
      runDir: run,
      set: ['training.monitor=loss'],
    });
    const turned = configOf(folder, 'data: { train: [logs/2026-11-02.csv, logs/2026-11-01.csv] }\n');
    await expect(
      trainSmall(turned, { runDir: run, resume: run, set: ['training.monitor=loss', 'training.epochs=2'] }),
    ).rejects.toThrow(/data\.train: its files are in a different order than at training/);
  });
});
