/** @module-tag long */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluate.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { readCheckpoint, type Checkpoint } from '../../src/runs/checkpoint.js';
import type { HostTensor } from '../../src/core/tensor.js';
import { DAILY_CONFIG, itemsOf, writeDays } from '../support/drifting-days.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, trainSmall, traceOf, type SmallRun } from '../support/small-run.js';

const home = process.cwd();
/** Two days, and a run of the first one. */
let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-warm-'));
  process.chdir(world);
  writeDays('.', 3, 7, 600);
  // Batch norm has running statistics, which are kept too.
  writeFileSync('config.yaml', DAILY_CONFIG.replaceAll('hidden: [16] }', 'hidden: [16], batchNorm: true }'));
  await trainSmall('config.yaml', { runDir: 'old' });
  process.chdir(home);
});
afterAll(() => rmSync(world, { recursive: true, force: true }));
beforeEach(() => {
  const folder = scratchFolder();
  cpSync(world, folder, { recursive: true, verbatimSymlinks: true });
  process.chdir(folder);
});
afterEach(() => process.chdir(home));

const FROM_OLD = ['initFrom.checkpoint=old', 'data.train=day-1.csv'];
/** Trains from the old run; returns its last checkpoint and the log. */
async function warm(
  set: readonly string[],
  options: SmallRun = {},
): Promise<{ checkpoint: Checkpoint; notices: readonly string[] }> {
  const notices: string[] = [];
  await trainSmall('config.yaml', {
    runDir: 'new',
    set: [...FROM_OLD, ...set],
    on: { onWarning: (notice) => notices.push(notice) },
    ...options,
  });
  return { checkpoint: await readCheckpoint('new/checkpoints/last', { withOptimizer: true }), notices };
}
const old = (): Promise<Checkpoint> => readCheckpoint('old/checkpoints/best', { withOptimizer: true });
const vocabularyOf = (run: string): readonly string[] =>
  (JSON.parse(readFileSync(join(run, 'checkpoints/last/features.json'), 'utf8')) as { item: { vocabulary: string[] } })
    .item.vocabulary;
const rowOf = ({ shape, data }: HostTensor, row: number): readonly number[] => [
  ...data.subarray(row * (shape[1] ?? 1), (row + 1) * (shape[1] ?? 1)),
];
const weight = ({ program }: Checkpoint, name: string): HostTensor => program.weights.get(name)!;
/** A day on which one user views two known items, often enough for the vocabulary. */
const shortDay = (): void =>
  writeFileSync('short.csv', `user,item,price,click,purchase\n${'3,item-20,10,1,1\n3,item-21,11,0,0\n'.repeat(4)}`);

describe('a warm-started run', () => {
  it("keeps untouched rows with their moments, and continues the optimizer's step count", async () => {
    shortDay();
    const { checkpoint } = await warm(['data.train=short.csv', 'training.epochs=1']);
    const before = await old();
    expect(checkpoint.program.step).toBe(before.program.step + 1);
    const [was, is] = [vocabularyOf('old'), vocabularyOf('new')];
    expect(is).toEqual(was);
    const touched = ['item-20', 'item-21'].map((item) => was.indexOf(item) + 1);
    for (let row = 0; row <= was.length; row++) {
      for (const tensor of ['', '.firstMoment', '.secondMoment']) {
        const rows = [before, checkpoint].map(({ program }) =>
          rowOf((tensor === '' ? program.weights : program.optimizer).get(`embeddings.item${tensor}`)!, row),
        );
        if (touched.includes(row)) expect(rows[1]).not.toEqual(rows[0]);
        else expect(rows[1]).toEqual(rows[0]);
      }
    }
    // The weights include running statistics of batch norm: with 8 rows, they change by a tenth.
    const mean = [...before.program.weights.keys()].find(
      (name) => name.endsWith('runningMean') || name.endsWith('.mean'),
    )!;
    expect(mean).toBeDefined();
    expect(weight(checkpoint, mean).data).not.toEqual(weight(before, mean).data);
  });

  it('keeps ids and rows of known items, initializes new rows, and reports both', async () => {
    const { checkpoint, notices } = await warm([
      'training.epochs=1',
      'training.optimizer.embeddings.learningRate=1e-30',
      'training.optimizer.dense.learningRate=1e-30',
    ]);
    const before = await old();
    const [was, is] = [vocabularyOf('old'), vocabularyOf('new')];
    expect(is.slice(0, was.length)).toEqual(was);
    expect([...is].sort()).toEqual([...new Set([...itemsOf(0), ...itemsOf(1)])].sort());
    const table = weight(checkpoint, 'embeddings.item');
    expect(table.shape[0]).toBe(is.length + 1);
    expect(table.data.subarray(0, 8 * (was.length + 1))).toEqual(weight(before, 'embeddings.item').data);
    for (let row = was.length + 1; row <= is.length; row++)
      for (const value of rowOf(table, row)) expect(Math.abs(value)).toBeLessThan(1e-3);
    const gone = was.filter((item) => !itemsOf(1).includes(item)).length;
    expect(notices).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /^starting from old\/checkpoints\/step-\d+: \d+ tensors after 10 steps, with the optimizer state$/,
        ),
        `field 'item': ${is.length + 1} rows, ${is.length - was.length} new; ` +
          `${gone} missing or too rare in the training set, kept`,
        'scales and boundaries from the checkpoint: price',
      ]),
    );
  });

  it('admits an item in the third run if it is seen once in each and minCount is 3', async () => {
    const day = (rows: readonly string[]): string =>
      `user,item,price,click,purchase\n${rows.map((row, i) => `${i % 7},${row},10,${i % 2},0`).join('\n')}\n`;
    const often = ['often', 'often', 'often'];
    const days = [
      [...often, 'slow', 'twice'],
      [...often, 'slow', 'other'],
      [...often, 'slow', 'twice'],
    ];
    for (const [d, rows] of days.entries()) {
      writeFileSync(`d${d}.csv`, day(rows));
      const from = d === 0 ? [] : [`initFrom.checkpoint=r${d - 1}`];
      await trainSmall('config.yaml', {
        runDir: `r${d}`,
        set: [`data.train=d${d}.csv`, 'training.epochs=1', 'features.item.encoding.minCount=3', ...from],
      });
    }
    expect([0, 1, 2].map((d) => vocabularyOf(`r${d}`))).toEqual([['often'], ['often'], ['often', 'slow']]);
    writeFileSync('all.csv', day(days.flat()));
    await trainSmall('config.yaml', {
      runDir: 'all',
      set: ['data.train=all.csv', 'training.epochs=1', 'features.item.encoding.minCount=3'],
    });
    expect(vocabularyOf('all')).toEqual(vocabularyOf('r2'));
    const { shape, data } = weight(await readCheckpoint('r2/checkpoints/last'), 'embeddings.item');
    expect([shape, data.length]).toEqual([[3, 8], 24]);
  });

  it('scales numbers as its loaded layers expect', async () => {
    await warm(['training.epochs=1']);
    const priceOf = (run: string): unknown =>
      (JSON.parse(readFileSync(join(run, 'checkpoints/last/features.json'), 'utf8')) as { price: unknown }).price;
    expect(priceOf('new')).toEqual(priceOf('old'));
    await trainSmall('config.yaml', {
      runDir: 'tables',
      set: [...FROM_OLD, 'training.epochs=1', 'initFrom.include=embeddings'],
    });
    await trainSmall('config.yaml', { runDir: 'cold', set: ['data.train=day-1.csv', 'training.epochs=1'] });
    expect(priceOf('tables')).toEqual(priceOf('cold'));
    expect(priceOf('tables')).not.toEqual(priceOf('old'));
  });

  it('records its source with a digest in its directory and in each checkpoint', async () => {
    const { checkpoint } = await warm(['training.epochs=1']);
    const origin = {
      checkpoint: expect.stringMatching(/\/old\/checkpoints\/step-\d+$/) as string,
      sha256: createHash('sha256').update(readFileSync('old/checkpoints/best/manifest.json')).digest('hex'),
    };
    expect((JSON.parse(readFileSync('new/environment.json', 'utf8')) as { initFrom: object }).initFrom).toEqual(origin);
    expect(checkpoint.sections['initFrom']).toEqual({ version: 1, ...origin });
    const logged = readFileSync('new/log.jsonl', 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string })
      .find(({ event }) => event === 'initFrom');
    expect(logged).toMatchObject({ ...origin, steps: 10, optimizer: 'keep', drawn: [], left: [] });
  });

  it('is independent of its source: it is evaluated, predicts and resumes without it', async () => {
    const { checkpoint } = await warm(['training.epochs=1']);
    rmSync('old', { recursive: true });
    const { metrics } = await evaluate({
      path: 'new',
      data: 'day-2.csv',
      device: 'cpu',
      threads: 1,
      signal: new AbortController().signal,
      onWarning: () => undefined,
    });
    expect(Object.values(metrics)[0]!['ctr']!['auc']).toBeGreaterThan(0.5);
    const model = await loadModel('new');
    expect(model.step).toBe(checkpoint.program.step);
    expect(model.predict([{ user: 3, item: 'item-62', price: 11 }])['ctr']![0]).toBeGreaterThan(0);
    model.dispose();
    await trainSmall('new/config.resolved.yaml', { resume: 'new', set: ['training.epochs=2'] });
    expect((await readCheckpoint('new/checkpoints/last')).program.step).toBe(20);
  });

  it.each([[1], [5], [3, 4]])('is bitwise identical after stops at steps %j', async (...stops) => {
    const set = [...FROM_OLD, 'checkpoints.bestBy=[loss]', 'data.valid=day-2.csv', 'training.monitor=loss'];
    await trainSmall('config.yaml', { runDir: 'whole', set });
    for (const [i, count] of stops.entries()) {
      const { signal, on } = abortAtStep(count);
      expect(
        (await trainSmall('config.yaml', { runDir: 'new', resume: i === 0 ? undefined : 'new', set, signal, on })).end,
      ).toBe('interrupted');
    }
    rmSync('old', { recursive: true });
    await trainSmall('config.yaml', { resume: 'new', set });
    expect(traceOf('new')).toEqual(traceOf('whole'));
  });

  it('does not read its source again on resume, and warns if initFrom changed', async () => {
    await warm(['training.epochs=1']);
    const notices: string[] = [];
    const goOn = (set: readonly string[]): Promise<unknown> =>
      trainSmall('config.yaml', { resume: 'new', set, on: { onWarning: (notice) => notices.push(notice) } });
    await goOn(['data.train=day-1.csv', 'training.epochs=2']);
    await goOn([...FROM_OLD, 'initFrom.checkpoint=nowhere', 'initFrom.include=embeddings', 'training.epochs=3']);
    expect(notices.filter((notice) => notice.includes('initFrom'))).toEqual(
      new Array(2).fill('changed initFrom, which a resumed run does not read again'),
    );
    expect((await readCheckpoint('new/checkpoints/last')).sections).toHaveProperty('initFrom');
    // Neither does a randomly initialized run.
    await trainSmall('config.yaml', { resume: 'old', set: ['initFrom.checkpoint=nowhere', 'training.epochs=3'] });
    expect((await readCheckpoint('old/checkpoints/last')).sections).not.toHaveProperty('initFrom');
  });

  it('starts from the previous run after a failed start, and from the source of a killed run', async () => {
    await trainSmall('config.yaml', { name: 'first', set: ['training.epochs=1'] });
    writeFileSync('bad.csv', `${readFileSync('day-1.csv', 'utf8')}3,item-1,oops,1,1\n`);
    const failing = trainSmall('config.yaml', {
      name: 'failed',
      set: ['initFrom.checkpoint=runs/latest', 'data.train=bad.csv'],
    });
    await expect(failing).rejects.toThrow(/bad\.csv:602: column "price"/);
    expect(readlinkSync('runs/latest')).toBe('config/first');
    await trainSmall('config.yaml', {
      name: 'killed',
      set: ['initFrom.checkpoint=runs/latest', 'data.train=day-1.csv', 'training.epochs=1'],
    });
    // The state during the first epoch.
    rmSync('runs/config/killed/checkpoints', { recursive: true });
    const { notices } = await warm(['initFrom.checkpoint=runs/latest', 'data.train=day-2.csv', 'training.epochs=1']);
    expect(notices[0]).toMatch(/runs\/latest has no checkpoint: using the one that it started from, \S+$/);
    expect(notices[1]).toMatch(/^starting from runs\/config\/first\/checkpoints\/step-/);
  });
});

describe('the loaded tensors', () => {
  it('are only tables, or match patterns', async () => {
    const before = await old();
    const still = [
      'training.epochs=1',
      'training.optimizer.embeddings.learningRate=1e-30',
      'training.optimizer.dense.learningRate=1e-30',
    ];
    const isTaken = async (take: string, run: string): Promise<Record<string, boolean>> => {
      await trainSmall('config.yaml', { runDir: run, set: [...FROM_OLD, ...still, `initFrom.include=${take}`] });
      const { program } = await readCheckpoint(join(run, 'checkpoints/last'), { withOptimizer: true });
      return Object.fromEntries(
        [...before.program.weights]
          .filter(([name]) => name.endsWith('.weight') || name.startsWith('embeddings.'))
          .map(([name, { data }]) => [name, data.every((value, i) => value === program.weights.get(name)!.data[i])]),
      );
    };
    const tables = await isTaken('embeddings', 'tables');
    for (const [name, taken] of Object.entries(tables))
      expect([name, taken]).toEqual([name, name.startsWith('embeddings.')]);
    const some = await isTaken("['*', '!embeddings.user', '!towers.cvr.*']", 'some');
    expect(Object.values(some)).toContain(false);
    for (const [name, taken] of Object.entries(some))
      expect([name, taken]).toEqual([name, name !== 'embeddings.user' && !name.startsWith('towers.cvr')]);
  });

  it('exclude layers that only one of two models has, with a report', async () => {
    const model = ['training.epochs=1', 'model={ name: shared-bottom, hidden: [16], tower: { hidden: [] } }'];
    await trainSmall('config.yaml', { runDir: 'first', set: model });
    const { notices } = await warm([
      ...model,
      'initFrom.checkpoint=first',
      'tasks.cvr=null',
      'tasks.buy={ label: purchase }',
    ]);
    expect(notices).toEqual(
      expect.arrayContaining([
        'randomly initialized: towers.buy.out.weight, towers.buy.out.bias',
        'not loaded from the checkpoint: towers.cvr.out.weight, towers.cvr.out.bias',
      ]),
    );
  });

  it('have a new optimizer on request, also of another kind', async () => {
    shortDay();
    const { checkpoint, notices } = await warm([
      'data.train=short.csv',
      'training.epochs=1',
      'initFrom.optimizer=reset',
      'training.optimizer.embeddings={ name: adagrad }',
    ]);
    expect(checkpoint.program.step).toBe(1);
    expect(notices).toContainEqual(expect.stringMatching(/with a new optimizer$/));
    const sums =
      checkpoint.program.optimizer.get('embeddings.item.squares') ??
      [...checkpoint.program.optimizer].find(([name]) => name.startsWith('embeddings.item.'))![1];
    expect(rowOf(sums, 1 + vocabularyOf('old').indexOf('item-30'))).toEqual(new Array(8).fill(0));
  });

  it('include the wide part of each known id, and new ids are initialized', async () => {
    const wide = ['model.wide=true', 'training.epochs=1'];
    await trainSmall('config.yaml', { runDir: 'first', set: wide });
    shortDay();
    const { checkpoint } = await warm([...wide, 'initFrom.checkpoint=first', 'data.train=short.csv']);
    const before = await readCheckpoint('first/checkpoints/best', { withOptimizer: true });
    const touched = ['item-20', 'item-21'].map((item) => vocabularyOf('first').indexOf(item) + 1);
    const numRows = vocabularyOf('first').length + 1;
    const changed = Array.from({ length: numRows }, (_, row) => row).filter(
      (row) =>
        rowOf(weight(checkpoint, 'embeddings.wide.item'), row).join() !==
        rowOf(weight(before, 'embeddings.wide.item'), row).join(),
    );
    expect(changed).toEqual(touched.sort((a, b) => a - b));
    await trainSmall('config.yaml', { runDir: 'grown', set: [...FROM_OLD, ...wide, 'initFrom.checkpoint=first'] });
    const grown = await readCheckpoint('grown/checkpoints/last', { withOptimizer: true });
    expect(weight(grown, 'embeddings.wide.item').shape).toEqual([weight(grown, 'embeddings.item').shape[0], 2]);
    expect(weight(grown, 'embeddings.item').shape[0]).toBeGreaterThan(numRows);
    await expect(
      warm([...wide, 'initFrom.checkpoint=first', 'tasks.again={ label: click }'], { runDir: 'other' }),
    ).rejects.toThrow(
      /field 'user': the rows of embeddings\.wide\.user have parts for ctr, cvr, again, but for ctr, cvr in the checkpoint; restore the model and the tasks or exclude it: include: \['\*', '!embeddings\.wide\.user'\]/,
    );
  });

  it('include the EMA of the weights', async () => {
    const average = ['training.ema={ decay: 0.9 }'];
    await trainSmall('config.yaml', { runDir: 'averaged', set: average });
    shortDay();
    await trainSmall('config.yaml', {
      runDir: 'on',
      set: [...FROM_OLD, ...average, 'initFrom.checkpoint=averaged', 'data.train=short.csv', 'training.epochs=1'],
    });
    const [before, after] = [
      await readCheckpoint('averaged/checkpoints/best', { withOptimizer: true }),
      await readCheckpoint('on/checkpoints/last', { withOptimizer: true }),
    ];
    const row = 1 + vocabularyOf('averaged').indexOf('item-30');
    const inOf = ({ program }: Checkpoint, suffix: string): readonly number[] =>
      rowOf(program.optimizer.get(`embeddings.item${suffix}`)!, row);
    expect(inOf(after, '.trained')).toEqual(inOf(before, '.trained'));
    expect(inOf(after, '.average')).toEqual(inOf(before, '.average'));
    expect(inOf(after, '.averageAge')).toEqual(inOf(before, '.averageAge').map((age) => age + 1));
    await trainSmall('config.yaml', {
      runDir: 'day',
      set: [
        ...FROM_OLD,
        ...average,
        'initFrom.checkpoint=averaged',
        'training.epochs=1',
        'training.optimizer.embeddings.learningRate=1e-30',
      ],
    });
    const grown = (await readCheckpoint('day/checkpoints/last', { withOptimizer: true })).program.optimizer.get(
      'embeddings.item.averageAge',
    )!;
    // The EMA of a new item covers the steps since its first occurrence.
    const ages = grown.data.subarray(vocabularyOf('averaged').length + 1);
    for (const age of ages) expect(age).toBeLessThanOrEqual(5);
  });
});

describe('tokens that left the training set', () => {
  it('map to the OOV id if evicted, and their rows are reinitialized for new tokens', async () => {
    const set = ['initFrom.staleTokens=evict', 'training.epochs=1', 'training.optimizer.embeddings.learningRate=1e-30'];
    const { checkpoint, notices } = await warm(set);
    const before = await old();
    const [was, is] = [vocabularyOf('old'), vocabularyOf('new')];
    const gone = was.filter((item) => !itemsOf(1).includes(item));
    expect(gone.length).toBeGreaterThan(3);
    expect([...is].filter((item) => item !== '').sort()).toEqual([...itemsOf(1)].sort());
    expect(notices.join('\n')).toContain(`${gone.length} missing or too rare in the training set, evicted`);
    const [then, now] = [weight(before, 'embeddings.item'), weight(checkpoint, 'embeddings.item')];
    for (const [i, item] of was.entries()) {
      if (gone.includes(item)) {
        expect(is[i]).not.toBe(item);
        for (const value of rowOf(now, i + 1)) expect(Math.abs(value)).toBeLessThan(1e-3);
      } else expect([is[i], rowOf(now, i + 1)]).toEqual([item, rowOf(then, i + 1)]);
    }
    const model = await loadModel('new');
    const [one, other] = model.predict([
      { user: 3, item: gone[0]!, price: 11 },
      { user: 3, item: 'never seen', price: 11 },
    ])['ctr']!;
    expect(one).toBe(other);
    model.dispose();
    // A day with fewer items leaves rows vacant; the next day reuses them.
    shortDay();
    await trainSmall('config.yaml', {
      runDir: 'short',
      set: [...FROM_OLD, ...set, 'initFrom.checkpoint=new', 'data.train=short.csv'],
    });
    expect(
      vocabularyOf('short')
        .filter((item) => item !== '\uffff')
        .sort(),
    ).toEqual(['item-20', 'item-21']);
    await trainSmall('config.yaml', {
      runDir: 'long',
      set: [...FROM_OLD, ...set, 'initFrom.checkpoint=short', 'data.train=day-2.csv'],
    });
    expect([...vocabularyOf('long')].sort()).toEqual([...itemsOf(2)].sort());
    for (const item of ['item-20', 'item-21']) expect(vocabularyOf('long').indexOf(item)).toBe(was.indexOf(item));
  });
});

describe('an incompatible checkpoint', () => {
  const item = (more: string): string => `features.item={ type: categorical, fields: [item], width: 8, ${more} }`;
  it.each([
    [
      'another width',
      ['features.user.width=4'],
      /old: field 'user': the embedding width is 4, but 8 in the checkpoint; set width: 8 or exclude it: include: \['\*', '!embeddings\.user'\]\n.*old: features: the first layers of the checkpoint were trained on other features \(another order, width, table or pooling\)/,
    ],
    [
      'another encoding',
      [item('encoding: { name: hash, buckets: 100 }')],
      /old: field 'item': the encoding is hash buckets 100, seed 0, but tokens in the checkpoint, so its rows differ in meaning; restore the encoding or/,
    ],
    [
      'an additional field',
      ['features.hour={ type: numeric, fields: [click2] }'],
      /old: features: the first layers of the checkpoint were trained on other features \(added: click2\); load only the tables with include: embeddings, or exclude the layers that read the features: include: \['\*', '!towers\.ctr\.0\.\*', '!towers\.cvr\.0\.\*'\]/,
    ],
    [
      'a removed field',
      ['features.price=null'],
      /old: features: the first layers of the checkpoint were trained on other features \(removed: price\)/,
    ],
    [
      'another scaling',
      ['features.price.scaling=log1p'],
      /old: field 'price': the encoding is a number, scaling log1p, but a number, scaling standard in the checkpoint/,
    ],
    [
      'a tower of another width',
      ['model.ctrTower.hidden=[8]'],
      /old: towers\.ctr\.0: the shape of tensor weight is \[17, 8\], but \[17, 16\] in the checkpoint; restore its width or exclude it: include: \['\*', '!towers\.ctr\.0\.\*', '!towers\.ctr\.out\.\*'\]\n.*old: towers\.ctr\.out: [^\n]*$/,
    ],
    [
      'another optimizer',
      ['training.optimizer.dense={ name: sgd, momentum: 0.9 }'],
      /old: training\.optimizer\.dense: the optimizer state is .*, but firstMoment per weight, secondMoment per weight in the checkpoint; set initFrom\.optimizer: reset/,
    ],
    [
      'an EMA without one in the checkpoint',
      ['training.ema={ decay: 0.9 }'],
      /training\.optimizer\.embeddings: the optimizer state is .* and an EMA, but firstMoment per weight, secondMoment per weight in the checkpoint; set initFrom\.optimizer: reset/,
    ],
    [
      'a pattern without a match',
      ["initFrom.include=['embedings.item']"],
      /initFrom\.include\.0: 'embedings\.item' matches no tensor of the checkpoint or the model; did you mean 'embeddings\.item'\?; both have embeddings\.user/,
    ],
    [
      'patterns that only exclude',
      ["initFrom.include=['!embeddings.item']"],
      /initFrom\.include: all patterns exclude tensors; add '\*' first/,
    ],
    ['a missing checkpoint', ['initFrom.checkpoint=nowhere'], /nowhere: no such directory; name a run or a checkpoint/],
    ['a directory without a run', ['initFrom.checkpoint=.'], /no checkpoint found/],
  ])('is rejected before a directory is created: %s', async (_, set, message) => {
    writeFileSync(
      'day-1.csv',
      readFileSync('day-1.csv', 'utf8')
        .split('\n')
        .map((line, i) => (line === '' ? '' : `${line},${i === 0 ? 'click2' : '0'}`))
        .join('\n'),
    );
    await expect(trainSmall('config.yaml', { runDir: 'new', set: [...FROM_OLD, ...set] })).rejects.toThrow(message);
    expect(existsSync('new')).toBe(false);
  });

  it('is rejected if a table would have fewer rows', async () => {
    await trainSmall('config.yaml', {
      runDir: 'sized',
      set: ['training.epochs=1', 'features.user.encoding={ sizes: { user: 90 } }'],
    });
    await expect(
      trainSmall('config.yaml', { runDir: 'new', set: [...FROM_OLD, 'initFrom.checkpoint=sized'] }),
    ).rejects.toThrow(/field 'user': has 80 rows, but 90 in the checkpoint; set 90 ids in encoding\.sizes/);
  });
});

describe('mtl train --init-from', () => {
  it('suffices for a daily job', async () => {
    const cwd = process.cwd();
    const first = await mtl(cwd, ['train', 'config.yaml', '--threads=1']);
    expect(first.code).toBe(0);
    const second = await mtl(cwd, [
      'train',
      'config.yaml',
      '--threads=1',
      '--init-from',
      'runs/latest',
      '--set',
      'data.train=day-1.csv',
    ]);
    expect([second.code, second.stderr]).toEqual([0, '']);
    expect(second.stdout).toMatch(
      /starting from runs\/config\/001\/checkpoints\/step-00000010: \d+ tensors after 10 steps/,
    );
    expect(readFileSync('runs/config/002/overrides.txt', 'utf8')).toContain('initFrom.checkpoint="runs/latest"');
    const third = await mtl(cwd, [
      'train',
      'config.yaml',
      '--threads=1',
      '--init-from',
      'nowhere',
      '--set',
      'data.train=day-1.csv',
    ]);
    expect([third.code, third.stderr]).toEqual([
      4,
      expect.stringMatching(/error: .*nowhere: no such directory/) as string,
    ]);
    expect(existsSync('runs/config/003')).toBe(false);
  });
});
