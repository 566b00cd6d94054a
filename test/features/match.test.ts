/** @module-tag long */
import { column } from '../../src/core/batch.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { rowsOfObjects, type Row } from '../../src/data/objects/given-rows.js';
import { ObjectReader } from '../../src/data/objects/object-reader.js';
import { encodedFields, featureTypes, createFields } from '../../src/features/feature-types.js';
import { listInputs } from '../../src/features/model-input.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const numbers = { type: 'match', encoding: { name: 'numeric' } };
const pair = { candidate: 'category', history: 'seen' };

/** Encodes rows of a program; returns the numbers of each row, in the order of the outputs, and the problems. */
function matchesOf(options: object, rows: readonly Row[]) {
  const fields = encodedFields(
    createFields([featureTypes.schema.parse({ ...numbers, fields: [pair], ...options })]),
    {},
  );
  const { batches, problems } = new ObjectReader(fields).read(rowsOfObjects(rows));
  const found = [...batches].flatMap(({ batch }) =>
    rows.map((_, row) => fields.map(({ name }) => column(batch, name, 'f32').data[row])),
  );
  return {
    found,
    problems: problems.list().map(({ row, problems: own }) => [row, ...own.map(({ message }) => message)]),
  };
}

describe('a match', () => {
  it('counts, weighs and ranks the items that equal the candidate', () => {
    const outputs = ['present', 'count', 'weight', 'share', 'recency'];
    const rows = [
      { category: 'a', seen: 'a:2|b:1|a:0.5|c:0.5' },
      { category: 'd', seen: 'a|b' },
      { category: 7, seen: [7, 8] },
      { category: null, seen: ['a'] },
      { category: 'a', seen: null },
      { category: 'a', seen: '[["b", 3], ["a", 1]]' },
    ];
    const expected = [
      [1, 2, 2.5, 0.625, 2],
      [0, 0, 0, 0, 0],
      [1, 1, 1, 0.5, 2],
      [0, 0, 0, 0, 0],
      [0, 0, 0, 0, 0],
      [1, 1, 1, 0.25, 1],
    ];
    expect(matchesOf({ outputs }, rows)).toEqual({ found: expected, problems: [] });
    const newestFirst = [1, 0, 1, 0, 0, 2].map((recency) => [recency]);
    expect(matchesOf({ outputs: ['recency'], newest: 'first' }, rows).found).toEqual(newestFirst);
  });

  it('ignores null values, and reads lists in the given format', () => {
    const cleaned = {
      nullValues: ['?'],
      trim: true,
      separators: { items: ' ', weight: '=' },
      outputs: ['count', 'share'],
    };
    const rows = [
      { category: '?', seen: '? a' },
      { category: ' a ', seen: 'a=3 ?=9 b' },
    ];
    expect(matchesOf(cleaned, rows).found).toEqual([
      [0, 0],
      [1, 0.75],
    ]);
  });

  it('reports an invalid value once, whatever the number of outputs', () => {
    const { problems } = matchesOf({}, [
      { category: 'a', seen: 'a:-1' },
      { category: 'a', seen: 'a||b' },
    ]);
    expect(problems).toEqual([
      [0, expect.stringContaining('nonnegative weights') as string],
      [1, expect.stringContaining("an id in every item, with '|' between items") as string],
    ]);
    expect(matchesOf({ outputs: ['count'] }, [{ category: 'a', seen: 'a:-1' }])).toEqual({
      found: [[1]],
      problems: [],
    });
  });

  it('asks for a value and a list', () => {
    const fields = encodedFields(createFields([featureTypes.schema.parse({ ...numbers, fields: [pair] })]), {});
    expect(listInputs(fields)).toEqual([
      { name: 'category', holds: 'text' },
      { name: 'seen', holds: 'bag' },
    ]);
  });
});

const CATEGORIES = 60;
const CONFIG = `
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  category: { type: categorical, fields: [category], width: 8, encoding: tokens }
  seen: { type: bag, fields: [seen], table: category }
tasks: { ctr: { label: click } }
model: { name: single-task, tower: { hidden: [32], batchNorm: false } }
training:
  epochs: 4
  batchSize: 256
  optimizer: { dense: { learningRate: 0.005 }, embeddings: { learningRate: 0.005 } }
`;
const MATCH = '  known: { type: match, encoding: { width: 8 }, fields: [{ candidate: category, history: seen }] }\n';

/** Writes rows whose clicks follow the count and the recency of the category; returns the AUC of the true rates. */
function writeLog(path: string, rows: number, seed: number): number {
  const random = randomStream(seed, 'match');
  const scored: { click: number; rate: number }[] = [];
  const lines = Array.from({ length: rows }, () => {
    const likes = [random.below(CATEGORIES), random.below(CATEGORIES)];
    const draw = (): number => (random.uniform() < 0.6 ? likes[random.below(2)]! : random.below(CATEGORIES));
    const seen = Array.from({ length: random.below(12) }, draw);
    const category = draw();
    const matches = seen.filter((each) => each === category).length;
    const recency = matches === 0 ? 0 : seen.length - seen.lastIndexOf(category);
    const logit = -2 + 1.5 * Math.log1p(matches) + (recency === 0 ? 0 : 2 / recency) + 0.5 * Math.sin(category);
    const rate = 1 / (1 + Math.exp(-logit));
    const click = Number(random.uniform() < rate);
    scored.push({ click, rate });
    return `${click},c${category},${seen.map((each) => `c${each}`).join('|')}`;
  });
  writeFileSync(path, `${['click,category,seen', ...lines].join('\n')}\n`);
  const ranked = scored.sort((a, b) => a.rate - b.rate).map(({ click }) => click);
  const positives = ranked.filter((click) => click === 1).length;
  const ranks = ranked.reduce((sum, click, i) => sum + click * (i + 1), 0);
  return (ranks - (positives * (positives + 1)) / 2) / (positives * (rows - positives));
}

describe('a model of a log whose clicks follow the history', () => {
  it('comes near the true rates with a match only, and predicts the same for programs', async () => {
    const cwd = scratchFolder();
    const [, , oracle] = ['train', 'valid', 'test'].map((split, seed) =>
      writeLog(join(cwd, `${split}.csv`), split === 'train' ? 12_000 : 4000, seed),
    );
    const aucOf = async (name: string, config: string): Promise<number> => {
      writeFileSync(join(cwd, `${name}.yaml`), config);
      const { stdout, stderr } = await mtl(cwd, ['train', `${name}.yaml`, '--json', '--run-dir', name]);
      expect(stderr).not.toContain('error');
      return (JSON.parse(stdout) as { metrics: { test: { ctr: { auc: number } } } }).metrics.test.ctr.auc;
    };
    const pooled = await aucOf('pooled', CONFIG);
    const matched = await aucOf('matched', CONFIG.replace('tasks:', `${MATCH}tasks:`));
    expect(oracle! - pooled).toBeGreaterThan(0.03);
    expect((matched - pooled) / (oracle! - pooled)).toBeGreaterThan(0.7);

    const rows = [
      { category: 'c1', seen: ['c1', 'c2', 'c1'] },
      { category: 'c1', seen: ['c2'] },
    ];
    writeFileSync(join(cwd, 'rows.csv'), 'category,seen\nc1,c1|c2|c1\nc1,c2\n');
    const { code } = await mtl(cwd, ['predict', 'matched', '--data', 'rows.csv', '--out', 'rows.jsonl']);
    expect(code).toBe(0);
    const model = await loadModel(join(cwd, 'matched'));
    const predicted = readFileSync(join(cwd, 'rows.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { ctr: number }).ctr);
    const own = [...model.predict(rows)['ctr']!];
    model.dispose();
    expect(own[0]).toBeGreaterThan(own[1]! + 0.2);
    for (const [row, probability] of predicted.entries()) expect(own[row]).toBeCloseTo(probability, 5);
  });
});
