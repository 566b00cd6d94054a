import { mapsOf } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { RejectPolicy } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { leftOutNotices } from '../../src/data/sources/notices.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions, type LabelRange, type Task } from '../../src/core/tasks.js';
import { scratchFile } from '../support/scratch.js';

const groups = [featureTypes.schema.parse({ type: 'categorical', fields: ['id'] })];
const tasksOf = (tasks: Readonly<Record<string, object>>): readonly Task[] =>
  Object.entries(tasks).map(([name, { labelRange, ...options }]: [string, { readonly labelRange?: LabelRange }]) => ({
    name,
    ...taskOptions.parse(options),
    labelRange,
  }));

/** Reads the labels of a CSV with excluded and rejected rows, both unquoted (fast path) and quoted (parser). */
async function read(
  tasks: Readonly<Record<string, object>>,
  header: string,
  rows: readonly string[],
): Promise<{
  readonly labels: Record<string, readonly number[]>;
  readonly leftOut: readonly string[];
  readonly refused: readonly string[];
}> {
  const found = await Promise.all(
    [false, true].map(async (isQuoted) => {
      const quotedRows = rows.map((row) =>
        isQuoted
          ? row
              .split(',')
              .map((cell) => (cell.includes('\u001f') ? cell : `"${cell}"`))
              .join(',')
          : row,
      );
      const format = createRowFormat({ tasks: tasksOf(tasks), groups });
      const refused: string[] = [];
      const policy: RejectPolicy = {
        count: 0,
        reject: ({ line, column, expected, cure }) =>
          void refused.push([line, column, expected, cure].filter((each) => each !== undefined).join(': ')),
      };
      const source = await openSource(
        scratchFile('train.csv', [`id,${header}`, ...quotedRows.map((row, i) => `${i + 1},${row}`)].join('\n') + '\n'),
        dataColumns(format),
      );
      const fitted = await source.fit(format, { policy: { count: 0, reject: () => undefined } });
      const train = await source.dataset(encodedFormat(format, fitted), { policy });
      const labels: Record<string, number[]> = {};
      for await (const { batch } of train.batches(100))
        for (const [name, values] of mapsOf(batch).labels)
          (labels[name] ??= []).push(...values.subarray(0, batch.rows));
      // Reported while rows are encoded, and again when they are read from the cache.
      return { labels, leftOut: leftOutNotices({ train }), refused: [...new Set(refused)] };
    }),
  );
  expect(found[1]).toEqual(found[0]);
  return found[0]!;
}

describe('label', () => {
  it('is a column or a condition on one or several columns', async () => {
    const tasks = {
      click: { label: 'click' },
      long: { label: { column: 'ms', above: 7000 } },
      any: {
        label: {
          any: [
            { column: 'ms', above: 7000 },
            { all: [{ column: 'income', equals: '>50K' }, { not: { column: 'click', equals: 0 } }] },
          ],
        },
      },
      good: { label: { column: 'rating', oneOf: [4, 5] } },
      new: { label: { column: 'at', atLeast: '2026-11-01' } },
    };
    const { labels, refused } = await read(tasks, 'click,ms,income,rating,at', [
      '1,7001,<=50K,4,2026-10-31 23:59:59',
      '0,7000,>50K,5.0,2026-11-01',
      '1,0.5,>50K,3,2027-01-01T00:00Z',
    ]);
    expect(refused).toEqual([]);
    expect(labels).toEqual({
      click: [1, 0, 1],
      'tasks.long.label': [1, 0, 0],
      'tasks.any.label': [1, 0, 1],
      'tasks.good.label': [1, 1, 0],
      'tasks.new.label': [0, 1, 1],
    });
  });

  it('shares a column with conditions', async () => {
    const { labels } = await read(
      {
        any: { label: 'seen' },
        short: { label: { column: 'seen', above: 0.5 } },
        exact: { label: { column: 'seen', equals: 1 } },
      },
      'seen',
      ['1', '0', '1.0'],
    );
    expect(labels).toEqual({ seen: [1, 0, 1], 'tasks.short.label': [1, 0, 1], 'tasks.exact.label': [1, 0, 1] });
  });

  it('rejects a row whose value a condition cannot compare', async () => {
    const { labels, refused } = await read({ long: { label: { column: 'ms', above: 7000 } } }, 'ms', [
      '8000',
      'fast',
      '1',
    ]);
    expect(labels).toEqual({ 'tasks.long.label': [1, 0] });
    expect(refused).toEqual(['3: ms: a number to compare with above: 7000']);
  });
});

describe('regression label', () => {
  it('rejects a row outside the range of its loss', async () => {
    const { labels, refused } = await read(
      {
        n: { label: 'n', type: 'regression', labelRange: { atLeast: 0, atMost: 1 } },
        m: { label: 'm', type: 'regression' },
      },
      'n,m',
      ['0,-1', '1,5', '1.5,0', '-0.5,0'],
    );
    expect(labels).toEqual({ n: [0, 1], m: [-1, 5] });
    expect(refused).toEqual([
      '4: a number from 0 to 1 for the loss of n: correct the row, or set another loss for the task',
      '5: a number from 0 to 1 for the loss of n: correct the row, or set another loss for the task',
    ]);
  });
});

describe('missing label', () => {
  const cure = 'onMissing for the task: mask (excluded from its loss), drop (row excluded) or negative (0)';

  it('is an error by default, with the fix', async () => {
    const { labels, refused } = await read(
      {
        ctr: { label: 'click' },
        long: { label: { column: 'ms', above: 1 } },
        spend: { label: 'spend', type: 'regression' },
      },
      'click,ms,spend',
      ['1,2,3', ',2,3', '1,,3', '1,2,'],
    );
    expect(labels).toEqual({ click: [1], 'tasks.long.label': [1], spend: [3] });
    expect(refused).toEqual([
      expect.stringMatching(/^3: click: 0 or 1: .*onMissing for the task: mask/),
      expect.stringMatching(/^4: ms: a value to compare: .*onMissing for the task: mask/),
      expect.stringMatching(/^5: spend: a decimal number: .*onMissing for the task: mask/),
    ]);
    expect(refused[0]).toContain(cure);
  });

  it('is allowed if given is not 1, and an error otherwise', async () => {
    const { labels, refused } = await read(
      {
        ctr: { label: 'click' },
        cvr: { label: 'buy', given: 'click' },
        spend: { label: 'spend', type: 'regression', given: 'cvr' },
      },
      'click,buy,spend',
      ['0,,', '1,0,', '1,1,9', '1,,', '1,1,'],
    );
    expect(labels).toEqual({ click: [0, 1, 1], buy: [0, 0, 1], spend: [0, 0, 9] });
    expect(refused).toEqual([
      `5: a value for buy if click is 1: correct the row, or set ${cure}`,
      expect.stringContaining('6: a value for spend if cvr is 1'),
    ]);
  });

  it('with onMissing: mask affects no other task', async () => {
    const { labels, leftOut } = await read(
      { like: { label: 'like', onMissing: 'mask' }, share: { label: 'share' } },
      'like,share',
      ['1,0', ',1', '0,1'],
    );
    expect(labels).toEqual({ like: [1, 0, 0], 'tasks.like.known': [1, 0, 1], share: [0, 1, 1] });
    expect(leftOut).toEqual([]);
  });

  it('masks the tasks that depend on it, and the known part of the chain', async () => {
    const tasks = {
      click: { label: 'click', onMissing: 'mask' },
      cart: { label: 'cart', given: 'click', onMissing: 'mask' },
      pay: { label: 'pay', given: 'cart' },
    };
    const { labels } = await read(tasks, 'click,cart,pay', ['1,1,1', '1,,', '0,,', ',,', '1,0,', '1,1,0', ',0,']);
    expect(labels).toEqual({
      click: [1, 1, 0, 0, 1, 1, 0],
      'tasks.click.known': [1, 1, 1, 0, 1, 1, 0],
      cart: [1, 0, 0, 0, 0, 1, 0],
      'tasks.cart.known': [1, 0, 0, 0, 1, 1, 1],
      'tasks.cart.mask': [1, 0, 0, 0, 1, 1, 0],
      // No click implies no cart.
      'tasks.cart.chainKnown': [1, 0, 1, 0, 1, 1, 1],
      pay: [1, 0, 0, 0, 0, 0, 0],
      'tasks.pay.chainKnown': [1, 0, 1, 0, 1, 1, 1],
    });
  });

  it('drops its row with a count and a reason, or is 0', async () => {
    const { labels, leftOut } = await read(
      {
        like: { label: 'like', onMissing: 'drop' },
        share: { label: { column: 'shares', above: 0 }, onMissing: 'negative' },
      },
      'like,shares',
      ['1,2', ',1', '0,', ','],
    );
    expect(labels).toEqual({ like: [1, 0], 'tasks.share.label': [1, 0] });
    expect(leftOut).toEqual(['data.train: 2 of 4 rows are excluded: like is missing (2)']);
  });
});

describe('label with given', () => {
  const rows = ['1,1', '0,1', '0,0', '1,0'];

  it('is an error if it is 1 and given is not, with the fix', async () => {
    const { labels, refused } = await read(
      { ctr: { label: 'click' }, cvr: { label: 'buy', given: 'click' } },
      'click,buy',
      rows,
    );
    expect(labels).toEqual({ click: [1, 0, 1], buy: [1, 0, 0] });
    expect(refused).toEqual([
      '3: click to be 1 if buy is 1: correct the row, or set given: { label: click, violations: ' +
        'skip } (excludes the row) or keep for the task',
    ]);
  });

  it('skips violating rows and counts them by reason', async () => {
    const { labels, refused, leftOut } = await read(
      { ctr: { label: 'click' }, cvr: { label: 'buy', given: { label: 'click', violations: 'skip' } } },
      'click,buy',
      rows,
    );
    expect([labels, refused]).toEqual([{ click: [1, 0, 1], buy: [1, 0, 0] }, []]);
    expect(leftOut).toEqual(['data.train: 1 of 4 rows are excluded: buy is 1 and click is not (1)']);
  });

  it('includes violating rows', async () => {
    const { labels, leftOut } = await read(
      { ctr: { label: 'click' }, cvr: { label: 'buy', given: { label: 'click', violations: 'keep' } } },
      'click,buy',
      rows,
    );
    expect([labels, leftOut]).toEqual([{ click: [1, 0, 0, 1], buy: [1, 1, 0, 0] }, []]);
  });

  it('depends on a task with a condition', async () => {
    const { labels, refused } = await read(
      { long: { label: { column: 'ms', above: 1000 } }, like: { label: 'like', given: 'long' } },
      'ms,like',
      ['2000,1', '2000,0', '5,', '5,1'],
    );
    expect(labels).toEqual({ 'tasks.long.label': [1, 1, 0], like: [1, 0, 0] });
    expect(refused).toEqual([expect.stringContaining('5: long to be 1 if like is 1')]);
  });
});

describe('row weights', () => {
  it('read a number column, also one that is a feature', async () => {
    const { labels, refused } = await read(
      { a: { label: 'a', sampleWeight: 'id' }, b: { label: 'b', sampleWeight: 'id' } },
      'a,b',
      ['0,1', '1,1'],
    );
    expect([labels, refused]).toEqual([{ a: [0, 1], b: [1, 1], 'sampleWeight.id': [1, 2] }, []]);
  });

  it('are at least 0', async () => {
    const { labels, refused } = await read({ a: { label: 'a', sampleWeight: 'w' } }, 'a,w', [
      '0,-1',
      '1,0.5',
      '1,',
      '1,x',
      '0,0',
    ]);
    expect(labels).toEqual({ a: [1, 0], 'sampleWeight.w': [0.5, 0] });
    expect(refused).toEqual(
      ['2: w: a weight of 0 or more', '4: w: a decimal number', '5: w: a decimal number'].map(
        (start) => expect.stringContaining(start) as string,
      ),
    );
  });
});

describe('teachers', () => {
  it('give the logit of a probability, and plain rows if it is missing', async () => {
    const tasks = { a: { label: 'a', distill: { column: 'q' } }, b: { label: 'b', distill: { column: 'q' } } };
    const { labels, refused } = await read(tasks, 'a,b,q', ['0,1,0.25', '1,1,', '1,0,0', '0,0,1', '0,0,0.5']);
    expect(refused).toEqual([]);
    expect(Object.keys(labels).sort()).toEqual(['a', 'b', 'teacher.q', 'teacher.q.known']);
    const limit = Math.log(1e-7 / (1 - 1e-7));
    expect(labels['teacher.q']).toEqual(
      [Math.log(1 / 3), 0, limit, -limit, 0].map((each) => expect.closeTo(each, 5) as number),
    );
    expect(labels['teacher.q.known']).toEqual([1, 0, 1, 1, 1]);
  });

  it('are probabilities', async () => {
    const { labels, refused } = await read({ a: { label: 'a', distill: { column: 'q' } } }, 'a,q', [
      '0,-0.1',
      '1,1.5',
      '1,x',
      '0,1',
    ]);
    expect(labels['a']).toEqual([0]);
    expect(refused).toEqual(
      ['2: q: a probability of the teacher from 0 to 1', '3: q: a probability of', '4: q: a decimal number'].map(
        (start) => expect.stringContaining(start) as string,
      ),
    );
  });
});
