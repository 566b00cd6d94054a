import { column } from '../../src/core/batch.js';
import { describe, expect, it } from 'vitest';
import { fitRows } from '../../src/data/pipeline.js';
import { refuseBadRows, skipBadRows } from '../../src/data/rows/rejects.js';
import {
  dataColumns,
  encodedFormat,
  toRecipe,
  createRowFormat,
  unsampled,
  type EncodedFormat,
} from '../../src/data/rows/row-format.js';
import { samplingOptions } from '../../src/data/sampling-options.js';
import { leftOutNotices } from '../../src/data/sources/notices.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { randomStream } from '../../src/core/random.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import { encodeFolder, filesIn } from '../support/encode-folder.js';
import { openAllColumns } from '../support/read-rows.js';
import { scratchFile } from '../support/scratch.js';

const tasks: readonly Task[] = [
  { name: 'ctr', ...taskOptions.parse({ label: { column: 'ms', above: 7000 }, onMissing: 'mask' }) },
  { name: 'cvr', ...taskOptions.parse({ label: 'buy', given: { label: 'ctr', violations: 'skip' } }) },
];
const groups = [
  { type: 'categorical', fields: ['id'] },
  { type: 'numeric', fields: ['row'], scaling: 'standard' },
  { type: 'bag', fields: ['seen'], encoding: { name: 'ids', sizes: { seen: 50 } } },
].map((group) => featureTypes.schema.parse(group));
const ROWS = 4000;

/** Creates rows that contain their number; some are invalid, some require the parser. */
function rowsText(): string {
  const random = randomStream(5, 'rows');
  const rows = Array.from({ length: ROWS }, (_, row) => {
    if (row % 97 === 0) return `x,0,0,${row},`;
    const ms = row % 50 === 0 ? '' : random.uniform() < 0.1 ? 9000 : 100;
    const buy = ms === 9000 ? Number(random.uniform() < 0.5) : row % 200 === 1 ? 1 : 0;
    const seen = Array.from({ length: row % 4 }, () => random.below(50)).join('|');
    return `${row % 500 === 7 ? `"${ms}"` : ms},${buy},${row % 30},${row},${seen}`;
  });
  return `ms,buy,id,row,seen\n${rows.join('\n')}\n`;
}

const formatOf = (sampling?: object): EncodedFormat =>
  encodedFormat(createRowFormat({ tasks, groups, sampling: sampling && samplingOptions.parse(sampling) }), {
    id: { size: 30 },
    row: { mean: 0, deviation: 1 },
  });

async function filesOf(
  path: string,
  format: EncodedFormat,
  threads: number,
  chunkBytes?: number,
): Promise<readonly (readonly [string, string])[]> {
  const source = await openAllColumns(path, {}, chunkBytes);
  return filesIn(await encodeFolder(source, format, skipBadRows(undefined, 1000), { threads }));
}

/** Labels by row number, and the warnings about excluded rows. */
async function kept(
  path: string,
  format: EncodedFormat,
): Promise<{ readonly rows: ReadonlyMap<number, readonly number[]>; readonly notices: readonly string[] }> {
  const source = await openSource(path, dataColumns(format));
  const train = await source.dataset(format, { policy: skipBadRows(undefined, 1000) });
  const rows = new Map<number, readonly number[]>();
  for await (const { batch } of train.batches(512))
    for (let r = 0; r < batch.rows; r++)
      rows.set(
        column(batch, 'row', 'f32').data[r]!,
        ['tasks.ctr.label', 'buy', 'tasks.ctr.known'].map((name) => column(batch, name, 'f32').data[r]!),
      );
  return { rows, notices: leftOutNotices({ train }, tasks) };
}

describe('negative sampling', () => {
  const write = (): string => scratchFile('train.csv', rowsText());

  it('selects a share of rows whose labels are all 0, and all other rows', async () => {
    const path = write();
    const [all, sampled, other] = await Promise.all(
      [formatOf(), formatOf({ rate: 0.2 }), formatOf({ rate: 0.2, seed: 1 })].map((format) => kept(path, format)),
    );
    const isNegative = ([click, buy, known]: readonly number[]): boolean => click === 0 && buy === 0 && known === 1;
    const numNegatives = (rows: ReadonlyMap<number, readonly number[]>): number =>
      [...rows.values()].filter(isNegative).length;
    for (const [row, labels] of all!.rows) expect(sampled!.rows.get(row) ?? labels).toEqual(labels);
    expect(sampled!.rows.size - numNegatives(sampled!.rows)).toBe(all!.rows.size - numNegatives(all!.rows));
    // Within four standard deviations.
    const count = numNegatives(all!.rows);
    for (const { rows } of [sampled!, other!])
      expect(Math.abs(numNegatives(rows) - 0.2 * count)).toBeLessThan(4 * Math.sqrt(count * 0.2 * 0.8));
    expect([...sampled!.rows.keys()]).not.toEqual([...other!.rows.keys()]);
  });

  it('reports excluded rows and the resulting label rates', async () => {
    const path = write();
    const [all, sampled] = [await kept(path, formatOf()), await kept(path, formatOf({ rate: 0.2 }))];
    const rate = (rows: ReadonlyMap<number, readonly number[]>, label: number): string =>
      `${((100 * [...rows.values()].filter((labels) => labels[label] === 1).length) / rows.size).toPrecision(3)}%`;
    const numSkipped = Number(/buy is 1 and ctr is not \((\d+)\)/.exec(all.notices[0]!)![1]);
    expect(numSkipped).toBeGreaterThan(5);
    expect(sampled.notices[0]).toContain(
      `negatives beyond the sample (${all.rows.size - sampled.rows.size}), buy is 1 and ctr is not (${numSkipped})`,
    );
    expect(sampled.notices[0]).toContain(`positive label rates: ctr ${rate(sampled.rows, 0)} (`);
    const buys = [...all.rows.values()].filter(([, buy]) => buy === 1).length;
    expect(all.notices[0]).toContain(
      `cvr ${rate(all.rows, 1)} ` +
        `(${((100 * (buys + numSkipped)) / (all.rows.size + numSkipped)).toPrecision(3)}% with excluded rows)`,
    );
  });

  it('does not depend on threads and chunk size', async () => {
    const path = write();
    const format = formatOf({ rate: 0.3 });
    const one = await filesOf(path, format, 1);
    expect(await filesOf(path, format, 2, 1 << 12)).toEqual(one);
    expect(await filesOf(path, format, 3)).toEqual(one);
  });

  it('defines the rows on which scales are fitted', async () => {
    const path = write();
    const format = formatOf({ rate: 0.2 });
    const { rows } = await kept(path, format);
    const fitted = await fitRows([await openAllColumns(path)], format, skipBadRows(undefined, 1000));
    const mean = [...rows.keys()].reduce((sum, row) => sum + row, 0) / rows.size;
    expect((fitted['row'] as { mean: number }).mean).toBeCloseTo(mean, 6);
  });

  it('changes the cache key, unless sampling is off', () => {
    const recipes = [undefined, { rate: 0.2 }, { rate: 0.3 }, { rate: 0.2, seed: 1 }].map((sampling) =>
      JSON.stringify(toRecipe(formatOf(sampling))),
    );
    expect(new Set(recipes).size).toBe(4);
    expect(JSON.stringify(toRecipe(unsampled(formatOf({ rate: 0.2 }))))).toBe(recipes[0]);
  });

  it('rejects an empty sample', async () => {
    const format = formatOf({ rate: 0.001 });
    const few = scratchFile('few.csv', 'ms,buy,id,row,seen\n1,0,1,1,\n');
    const source = await openSource(few, dataColumns(format));
    await expect(source.dataset(format, { policy: refuseBadRows })).rejects.toThrow('negatives beyond the sample (1)');
  });
});
