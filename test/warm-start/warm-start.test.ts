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
  writeFileSync('config.yaml', DAILY_CONFIG);
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
/** Trains from the old run; gives its last checkpoint, and what was told. */
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
  return { checkpoint: await readCheckpoint('new/checkpoints/last', true), notices };
}
const old = (): Promise<Checkpoint> => readCheckpoint('old/checkpoints/best', true);
const vocabularyOf = (run: string): readonly string[] =>
  (JSON.parse(readFileSync(join(run, 'checkpoints/last/features.json'), 'utf8')) as { item: { vocabulary: string[] } })
    .item.vocabulary;
const rowOf = ({ shape, data }: HostTensor, row: number): readonly number[] => [
  ...data.subarray(row * (shape[1] ?? 1), (row + 1) * (shape[1] ?? 1)),
];
const weight = ({ program }: Checkpoint, name: string): HostTensor => program.weights.get(name)!;
/** A day on which one user looks at two items that were there before, often enough to be learned. */
const shortDay = (): void =>
  writeFileSync('short.csv', `user,item,price,click,purchase\n${'3,item-20,10,1,1\n3,item-21,11,0,0\n'.repeat(4)}`);

describe('a run that starts from another', () => {
  it('has each row that its data does not touch as it was, with its moments, and goes on counting the steps of the optimizer', async () => {
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
    // The running statistics of a normalisation are among the weights: of 8 rows, they move by a tenth.
    const mean = [...before.program.weights.keys()].find(
      (name) => name.endsWith('runningMean') || name.endsWith('.mean'),
    )!;
    expect(mean).toBeDefined();
    expect(weight(checkpoint, mean).data).not.toEqual(weight(before, mean).data);
  });

  it('knows the items of before by their ids and rows, has drawn rows for the new ones, and tells of both', async () => {
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
          /^starts from old\/checkpoints\/step-\d+: \d+ tensors with 10 steps behind them, and the optimizer's state$/,
        ),
        `field 'item': ${is.length + 1} rows, ${is.length - was.length} of them new; ${gone} that train has no longer, or too rarely, are kept`,
        'as they were learned then: the scales and boundaries of price',
      ]),
    );
  });

  it('admits an item that is seen once in each of three runs in the third, where minCount is 3', async () => {
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
    const { shape, data } = weight(await readCheckpoint('r2/checkpoints/last', false), 'embeddings.item');
    expect([shape, data.length]).toEqual([[3, 8], 24]);
  });

  it('reads numbers by the scale that its layers have learned from', async () => {
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

  it('says where it comes from, with a digest, in its folder and in each of its checkpoints', async () => {
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

  it('needs nothing of it any more: it is evaluated, predicts and goes on without', async () => {
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
    expect((await readCheckpoint('new/checkpoints/last', false)).program.step).toBe(20);
  });

  it.each([[1], [5], [3, 4]])('goes on to the same bytes after stops behind %j steps', async (...stops) => {
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

  it('does not read it again where it goes on, and says so where something else is said of it', async () => {
    await warm(['training.epochs=1']);
    const notices: string[] = [];
    const goOn = (set: readonly string[]): Promise<unknown> =>
      trainSmall('config.yaml', { resume: 'new', set, on: { onWarning: (notice) => notices.push(notice) } });
    await goOn(['data.train=day-1.csv', 'training.epochs=2']);
    await goOn([...FROM_OLD, 'initFrom.checkpoint=nowhere', 'initFrom.include=embeddings', 'training.epochs=3']);
    expect(notices.filter((notice) => notice.includes('initFrom'))).toEqual(
      new Array(2).fill('changed initFrom, which a run that goes on does not read again'),
    );
    expect((await readCheckpoint('new/checkpoints/last', false)).sections).toHaveProperty('initFrom');
    // Nor does one whose weights were drawn.
    await trainSmall('config.yaml', { resume: 'old', set: ['initFrom.checkpoint=nowhere', 'training.epochs=3'] });
    expect((await readCheckpoint('old/checkpoints/last', false)).sections).not.toHaveProperty('initFrom');
  });

  it('starts from the run before one that failed at its start, and from what one that was killed was to start from', async () => {
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
    // As it is while the first epoch is trained.
    rmSync('runs/config/killed/checkpoints', { recursive: true });
    const { notices } = await warm(['initFrom.checkpoint=runs/latest', 'data.train=day-2.csv', 'training.epochs=1']);
    expect(notices[0]).toMatch(/runs\/latest has no checkpoint: what it was to start from is taken$/);
    expect(notices[1]).toMatch(/^starts from runs\/config\/first\/checkpoints\/step-/);
  });
});

describe('what is taken', () => {
  it('are the tables alone, or what patterns say', async () => {
    const before = await old();
    const still = [
      'training.epochs=1',
      'training.optimizer.embeddings.learningRate=1e-30',
      'training.optimizer.dense.learningRate=1e-30',
    ];
    const isTaken = async (take: string, run: string): Promise<Record<string, boolean>> => {
      await trainSmall('config.yaml', { runDir: run, set: [...FROM_OLD, ...still, `initFrom.include=${take}`] });
      const { program } = await readCheckpoint(join(run, 'checkpoints/last'), true);
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

  it('leaves layers that only one of two models has where they are, and tells of them', async () => {
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
        'drawn anew: towers.buy.out.weight, towers.buy.out.bias',
        'left in the checkpoint: towers.cvr.out.weight, towers.cvr.out.bias',
      ]),
    );
  });

  it('has a new optimizer where it is asked for, also another one', async () => {
    shortDay();
    const { checkpoint, notices } = await warm([
      'data.train=short.csv',
      'training.epochs=1',
      'initFrom.optimizer=reset',
      'training.optimizer.embeddings={ name: adagrad }',
    ]);
    expect(checkpoint.program.step).toBe(1);
    expect(notices).toContainEqual(expect.stringMatching(/and a new optimizer$/));
    const sums =
      checkpoint.program.optimizer.get('embeddings.item.squares') ??
      [...checkpoint.program.optimizer].find(([name]) => name.startsWith('embeddings.item.'))![1];
    expect(rowOf(sums, 1 + vocabularyOf('old').indexOf('item-30'))).toEqual(new Array(8).fill(0));
  });

  it('keeps of a wide part what it knows of each id, as of embeddings, and draws what is new', async () => {
    const wide = ['model.wide=true', 'training.epochs=1'];
    await trainSmall('config.yaml', { runDir: 'first', set: wide });
    shortDay();
    const { checkpoint } = await warm([...wide, 'initFrom.checkpoint=first', 'data.train=short.csv']);
    const before = await readCheckpoint('first/checkpoints/best', true);
    const touched = ['item-20', 'item-21'].map((item) => vocabularyOf('first').indexOf(item) + 1);
    const numRows = vocabularyOf('first').length + 1;
    const changed = Array.from({ length: numRows }, (_, row) => row).filter(
      (row) =>
        rowOf(weight(checkpoint, 'embeddings.wide.item'), row).join() !==
        rowOf(weight(before, 'embeddings.wide.item'), row).join(),
    );
    expect(changed).toEqual(touched.sort((a, b) => a - b));
    await trainSmall('config.yaml', { runDir: 'grown', set: [...FROM_OLD, ...wide, 'initFrom.checkpoint=first'] });
    const grown = await readCheckpoint('grown/checkpoints/last', true);
    expect(weight(grown, 'embeddings.wide.item').shape).toEqual([weight(grown, 'embeddings.item').shape[0], 2]);
    expect(weight(grown, 'embeddings.item').shape[0]).toBeGreaterThan(numRows);
    await expect(
      warm([...wide, 'initFrom.checkpoint=first', 'tasks.again={ label: click }'], { runDir: 'other' }),
    ).rejects.toThrow(
      /field 'user': the rows of embeddings\.wide\.user have parts for ctr, cvr in the checkpoint, here for ctr, cvr, again; take the model and the tasks that it had, or leave it out: include: \['\*', '!embeddings\.wide\.user'\]/,
    );
  });

  it('takes the average of the weights along', async () => {
    const average = ['training.ema={ decay: 0.9 }'];
    await trainSmall('config.yaml', { runDir: 'averaged', set: average });
    shortDay();
    await trainSmall('config.yaml', {
      runDir: 'on',
      set: [...FROM_OLD, ...average, 'initFrom.checkpoint=averaged', 'data.train=short.csv', 'training.epochs=1'],
    });
    const [before, after] = [
      await readCheckpoint('averaged/checkpoints/best', true),
      await readCheckpoint('on/checkpoints/last', true),
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
    const grown = (await readCheckpoint('day/checkpoints/last', true)).program.optimizer.get(
      'embeddings.item.averageAge',
    )!;
    // Of an item that is new, the average covers no more than there are steps.
    const ages = grown.data.subarray(vocabularyOf('averaged').length + 1);
    for (const age of ages) expect(age).toBeLessThanOrEqual(5);
  });
});

describe('tokens that train no longer has', () => {
  it('become the unknown where they are dropped, and give their rows to new ones, whose rows are drawn; all others keep theirs', async () => {
    const set = ['initFrom.staleTokens=drop', 'training.epochs=1', 'training.optimizer.embeddings.learningRate=1e-30'];
    const { checkpoint, notices } = await warm(set);
    const before = await old();
    const [was, is] = [vocabularyOf('old'), vocabularyOf('new')];
    const gone = was.filter((item) => !itemsOf(1).includes(item));
    expect(gone.length).toBeGreaterThan(3);
    expect([...is].filter((item) => item !== '').sort()).toEqual([...itemsOf(1)].sort());
    expect(notices.join('\n')).toContain(`${gone.length} that train has no longer, or too rarely, are dropped`);
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
    // A day with fewer items leaves places vacant; the next one fills them.
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

describe('a pair that does not fit', () => {
  const item = (more: string): string => `features.item={ type: categorical, fields: [item], width: 8, ${more} }`;
  it.each([
    [
      'another width',
      ['features.user.width=4'],
      /old: field 'user': its embeddings have width 8 in the checkpoint, here 4; give it width: 8, or leave it out: include: \['\*', '!embeddings\.user'\]\n.*old: features: in another order, width, table or pooling than in the checkpoint/,
    ],
    [
      'another encoding',
      [item('encoding: { name: hash, buckets: 100 }')],
      /old: field 'item': is encoded as tokens in the checkpoint, here as hash buckets 100, seed 0, so that its rows mean something else; give it the encoding that it had/,
    ],
    [
      'a field more',
      ['features.hour={ type: numeric, fields: [click2] }'],
      /old: features: with click2 more than in the checkpoint.*include: embeddings, or all but the layers that read them: include: \['\*', '!towers\.ctr\.0\.\*', '!towers\.cvr\.0\.\*'\]/,
    ],
    ['a field less', ['features.price=null'], /old: features: without price than in the checkpoint/],
    [
      'another scaling',
      ['features.price.scaling=log1p'],
      /old: field 'price': is a number, scaling standard in the checkpoint, here a number, scaling log1p/,
    ],
    [
      'a tower of another width',
      ['model.ctrTower.hidden=[8]'],
      /old: towers\.ctr\.0: its tensor weight has the shape \[17, 16\] in the checkpoint, here \[17, 8\]; give it the width that it had, or leave it out: include: \['\*', '!towers\.ctr\.0\.\*', '!towers\.ctr\.out\.\*'\]\n.*old: towers\.ctr\.out: [^\n]*$/,
    ],
    [
      'another optimizer',
      ['training.optimizer.dense={ name: sgd, momentum: 0.9 }'],
      /old: training\.optimizer\.dense: keeps .*, the checkpoint has firstMoment per weight, secondMoment per weight; write initFrom\.optimizer: reset/,
    ],
    [
      'an average that was not kept',
      ['training.ema={ decay: 0.9 }'],
      /training\.optimizer\.embeddings: keeps .* and an average, the checkpoint has firstMoment per weight, secondMoment per weight; write initFrom\.optimizer: reset/,
    ],
    [
      'a pattern of nothing',
      ["initFrom.include=['embedings.item']"],
      /initFrom.include\.0: 'embedings\.item': neither the checkpoint nor the model has such a tensor; did you mean 'embeddings\.item'\?; both have embeddings\.user/,
    ],
    [
      'patterns that only leave out',
      ["initFrom.include=['!embeddings.item']"],
      /initFrom.include: says only what is left out; write '\*' first/,
    ],
    [
      'a checkpoint that is not there',
      ['initFrom.checkpoint=nowhere'],
      /nowhere: there is no such folder; name a run or a checkpoint/,
    ],
    ['a folder that is no run', ['initFrom.checkpoint=.'], /holds no checkpoint/],
  ])('is refused before a folder is made: %s', async (_, set, message) => {
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

  it('is refused where a table would lose rows', async () => {
    await trainSmall('config.yaml', {
      runDir: 'sized',
      set: ['training.epochs=1', 'features.user.encoding={ sizes: { user: 90 } }'],
    });
    await expect(
      trainSmall('config.yaml', { runDir: 'new', set: [...FROM_OLD, 'initFrom.checkpoint=sized'] }),
    ).rejects.toThrow(/field 'user': has 90 rows in the checkpoint, here 80; give it 90 ids in encoding\.sizes/);
  });
});

describe('mtl train --init-from', () => {
  it('is the whole of a daily job', async () => {
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
      /starts from runs\/config\/001\/checkpoints\/step-00000010: \d+ tensors with 10 steps behind them/,
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
      expect.stringMatching(/error: .*nowhere: there is no such folder/) as string,
    ]);
    expect(existsSync('runs/config/003')).toBe(false);
  });
});
