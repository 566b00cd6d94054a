/** @module-tag long */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { check } from '../../src/check.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { abortAtStep, trainSmall } from '../support/small-run.js';
import { scratchFolder } from '../support/scratch.js';

// The files are written by NumPy, safetensors and pyarrow: see make_files.py.

const FILES = join(import.meta.dirname, 'files');
const EXPECTED = JSON.parse(readFileSync(join(FILES, 'expected.json'), 'utf8')) as {
  readonly names: readonly string[];
  readonly f4: readonly (readonly number[])[];
  readonly f8: readonly (readonly number[])[];
};

const home = process.cwd();
beforeEach(() => {
  process.chdir(scratchFolder());
  writeItems('train.csv', 10);
});
afterEach(() => process.chdir(home));

/** Writes rows of `numItems` items i0, i1 and so on; numbers are their ids. */
function writeItems(path: string, numItems: number): void {
  const rows = Array.from(
    { length: 8 * numItems },
    (_, i) => `i${i % numItems},${i % numItems},${(i * 7) % 3 === 0 ? 1 : 0}`,
  );
  writeFileSync(path, `item,number,click\n${rows.join('\n')}\n`);
}

function config(
  initFrom: string,
  { field = 'item', encoding = 'tokens', model = '{ name: single-task }' } = {},
): string {
  writeFileSync(
    'config.yaml',
    `seed: 5
data: { train: train.csv }
features:
  item: { type: categorical, fields: [${field}], width: 4, encoding: ${encoding}, initFrom: ${initFrom} }
tasks: { ctr: { label: click } }
model: ${model}
training: { epochs: 2, batchSize: 16, optimizer: { embeddings: { name: adam, learningRate: 0.01 } } }
checkpoints: { everySteps: 1 }
`,
  );
  return 'config.yaml';
}

const path = (name: string): string => join(FILES, name);
const frozen = (name: string, more = ''): string => `{ file: '${path(name)}', trainable: false${more} }`;

interface Trained {
  readonly notices: readonly string[];
  readonly optimizer: readonly string[];
  /** Row of the table by item. */
  rowOf(item: string): readonly number[];
}

/** Trains the config; returns the last table. */
async function trained(file: string, runDir = 'run', set: readonly string[] = []): Promise<Trained> {
  const notices: string[] = [];
  await trainSmall(file, { runDir, set, on: { onWarning: (notice) => notices.push(notice) } });
  return { notices, ...(await lastTable(runDir)) };
}

async function lastTable(run: string): Promise<Omit<Trained, 'notices'>> {
  const { program } = await readCheckpoint(join(run, 'checkpoints/last'), { withOptimizer: true });
  const name = [...program.weights.keys()].find((each) => each.startsWith('embeddings.'))!;
  const { data } = program.weights.get(name)!;
  const file = JSON.parse(readFileSync(join(run, 'checkpoints/last/features.json'), 'utf8')) as Record<
    string,
    { vocabulary?: string[] }
  >;
  return {
    optimizer: [...program.optimizer.keys()].filter((each) => each.startsWith('embeddings.')),
    rowOf(item) {
      const vocabulary = file[name.slice('embeddings.'.length)]?.vocabulary;
      const row = vocabulary === undefined ? Number(item) : vocabulary.indexOf(item) + 1;
      return [...data.subarray(4 * row, 4 * row + 4)];
    },
  };
}

/** Items of the world that the files have, with their row. */
const KNOWN = [
  ['i3', 0],
  ['i0', 1],
  ['i7', 3],
  ['i1', 4],
] as const;

describe('initFrom of a field', () => {
  const keys = `, keys: '${path('names.txt')}'`;
  it.each([
    ['f4.npy', frozen('f4.npy', keys), EXPECTED.f4],
    ['f8.npy', frozen('f8.npy', keys), EXPECTED.f8],
    ['a single tensor', frozen('one.safetensors', keys), EXPECTED.f4],
    ['one of two tensors', frozen('two.safetensors', `${keys}, value: item`), EXPECTED.f4],
    ['f4.parquet', frozen('f4.parquet'), EXPECTED.f4],
    ['f8.parquet', frozen('f8.parquet', ', key: name, value: embedding'), EXPECTED.f8],
  ])("reads a peer's %s, and training leaves a frozen table unchanged", async (_name, initFrom, expected) => {
    const { rowOf, notices, optimizer } = await trained(config(initFrom));
    for (const [item, row] of KNOWN) expect(rowOf(item)).toEqual(expected[row]);
    // Others keep their initialization of standard deviation 1e-4.
    expect(Math.max(...rowOf('i5').map(Math.abs))).toBeLessThan(1e-3);
    expect(rowOf('i5').every((value) => value !== 0)).toBe(true);
    expect(optimizer).toEqual([]);
    expect(notices).toContainEqual(expect.stringMatching(/^field 'item': 4 of 10 rows from .*, frozen; 2 of its rows/));
  });

  it('takes row i for id i without keys', async () => {
    const { rowOf } = await trained(config(frozen('f4.npy'), { field: 'number', encoding: 'ids' }));
    EXPECTED.f4.forEach((vector, id) => expect(rowOf(String(id))).toEqual(vector));
    expect(Math.max(...rowOf('7').map(Math.abs))).toBeLessThan(1e-3);
  });

  it('matches numbers by their digits', async () => {
    const { rowOf } = await trained(config(frozen('numbers.parquet'), { field: 'number' }));
    for (const [item, row] of KNOWN) expect(rowOf(item.slice(1))).toEqual(EXPECTED.f4[row]);
  });

  it('trains from the vectors by default', async () => {
    const { rowOf, optimizer } = await trained(config(`{ file: '${path('f4.parquet')}' }`));
    expect(optimizer).toEqual(['embeddings.item.firstMoment', 'embeddings.item.secondMoment']);
    for (const [item, row] of KNOWN) {
      expect(rowOf(item)).not.toEqual(EXPECTED.f4[row]);
      // Ten steps of at most 0.01.
      rowOf(item).forEach((value, d) => expect(Math.abs(value - EXPECTED.f4[row]![d]!)).toBeLessThan(0.11));
    }
  });

  it('starts every part of an embedding from the vector', async () => {
    const model = '{ name: stem }';
    const file = config(frozen('f4.parquet'), { model });
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(
        'tasks: { ctr: { label: click } }',
        'tasks: { ctr: { label: click }, up: { label: click } }',
      ),
    );
    await trainSmall(file, { runDir: 'run' });
    const { program } = await readCheckpoint('run/checkpoints/last', { withOptimizer: true });
    const { shape, data } = program.weights.get('embeddings.item')!;
    expect(shape[1]).toBe(12);
    const first = data.findIndex((value) => value === EXPECTED.f4[0]![0]);
    expect([...data.subarray(first, first + 12)]).toEqual([0, 1, 2].flatMap(() => EXPECTED.f4[0]!));
  });

  it('resumes without the file', async () => {
    copyFileSync(path('f4.parquet'), 'vectors.parquet');
    const file = config('{ file: vectors.parquet }');
    await trainSmall(file, { runDir: 'through' });
    await trainSmall(file, { runDir: 'stopped', ...abortAtStep(4) });
    writeFileSync('vectors.parquet', 'gone');
    await trainSmall(file, { runDir: undefined, resume: 'stopped' });
    const weights = (run: string): string => readFileSync(join(run, 'checkpoints/last/weights.safetensors'), 'latin1');
    expect(weights('stopped')).toBe(weights('through'));
  });

  it('fills only new rows after a warm start', async () => {
    const before = await trained(config(`{ file: '${path('f4.parquet')}' }`), 'old');
    writeItems('more.csv', 14);
    const after = await trained('config.yaml', 'new', [
      'initFrom.checkpoint=old',
      'data.train=more.csv',
      'training.epochs=1',
      'features.item.initFrom.trainable=false',
    ]);
    for (const [item] of KNOWN) expect(after.rowOf(item)).toEqual(before.rowOf(item));
    expect(after.rowOf('i11')).toEqual(EXPECTED.f4[5]);
    // An unfrozen table starts with new optimizer state.
    const unfrozen = await trained('config.yaml', 'newer', ['initFrom.checkpoint=new', 'data.train=more.csv']);
    expect(unfrozen.optimizer).toEqual(['embeddings.item.firstMoment', 'embeddings.item.secondMoment']);
  });

  it.each([
    ['f4.parquet', '', 8, /f4\.parquet: has vectors of width 4, but field 'item' has width 8; .*set width: 4/],
    ['nan.parquet', '', 4, /nan\.parquet: row 2: element 1 of the vector of 'absent' is NaN/],
    ['twice.parquet', '', 4, /twice\.parquet: row 5: "i3" occurs in row 0 too/],
    ['ragged.parquet', '', 4, /ragged\.parquet: row 5: expected 4 elements, found 2/],
    ['null.parquet', '', 4, /null\.parquet: row 0: has no value/],
    ['f4.parquet', ', key: names', 4, /f4\.parquet: has no column "names"; did you mean 'name'/],
    ['fortran.npy', '', 4, /fortran\.npy: is stored column by column/],
    ['f2.npy', '', 4, /f2\.npy: expected elements of type <f4 or <f8, found <f2/],
    ['one-dimension.npy', '', 4, /expected shape \(rows, width\), found \(4\)/],
    ['two.safetensors', '', 4, /expected tensor 'embedding', found (item, other|other, item)/],
    ['f4.npy', `, keys: '${path('expected.json')}'`, 4, /has 1 lines, but .*f4\.npy has 6 rows/],
    ['f4.npy', '', 4, /none of its 6 values, such as "0", is a value of field 'item'/],
    ['absent.npy', '', 4, /absent\.npy: cannot be read \(ENOENT\)/],
    ['names.txt', '', 4, /expected a file of vectors: \.npy, \.safetensors, Parquet/],
  ])('rejects %s%s for width %i', async (name, more, width, message) => {
    const file = config(`{ file: '${path(name)}'${more} }`);
    await expect(trainSmall(file, { set: [`features.item.width=${width}`] })).rejects.toThrow(message);
  });

  it('rejects a value that is not an id', async () => {
    const file = config(frozen('f4.parquet'), { field: 'number', encoding: 'ids' });
    await expect(trainSmall(file, {})).rejects.toThrow(/f4\.parquet: row 0: expected .*, found "i3"/);
  });

  it('rejects values that share a hash bucket', async () => {
    const file = config(frozen('f4.parquet'), { encoding: '{ name: hash, buckets: 2 }' });
    await expect(trainSmall(file, {})).rejects.toThrow(/has the id of "i3" in row 0; .*use encoding: tokens/);
  });

  it('is found by mtl check', async () => {
    const options = { set: [], sampleRows: 100, device: 'cpu', threads: 1, onWarning: () => undefined } as const;
    await expect(check({ path: config(frozen('nan.parquet')), ...options })).rejects.toThrow(/row 2: element 1/);
  });
});
