import * as levenshtein from 'fastest-levenshtein';
import { describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { UserError, type Problem } from '../../src/core/errors.js';

vi.mock('fastest-levenshtein', { spy: true });

const CONFIG = `data: { train: train.csv, valid: valid.csv }
features:
  user: { type: categorical, fields: [101] }
  item: { type: categorical, fields: [205], encoding: { name: tokens } }
  price: { type: numeric, fields: [508] }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm }
training: { optimizer: { dense: { name: adam } }, schedule: { name: plateau } }
`;
const RATES =
  "did you mean 'training.optimizer.dense.learningRate' or 'training.optimizer.embeddings.learningRate' or " +
  "'training.optimizer.wide.learningRate'?";

/** Returns the fix for the unknown key of a config. */
function fixOf(from: string, to: string): string | undefined {
  expect(CONFIG).toContain(from);
  try {
    parseConfig(CONFIG.replace(from, to), 'c.yaml');
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.problems.find(({ message }) => message === 'unknown key')?.fix;
  }
  return undefined;
}

describe('fix for an unknown key', () => {
  it.each([
    ['a misspelled key', 'given: click', 'givne: click', "did you mean 'given'?"],
    [
      'a key with transposed letters',
      'type: numeric, fields: [508]',
      'type: numeric, fields: [508], tirm: true',
      "did you mean 'trim'?",
    ],
    ['a learning rate in training', 'training: { ', 'training: { learningRate: 1, ', RATES],
    ['a learning rate in the model', 'name: esmm', 'name: esmm, learningRate: 1', RATES],
    ['a learning rate next to the optimizers', 'optimizer: { ', 'optimizer: { learningRate: 1, ', RATES],
    ['the short name of a learning rate', 'name: adam', 'name: adam, lr: 1', "did you mean 'learningRate'?"],
    ['the name of a penalty elsewhere', 'name: adam', 'name: adam, l2: 1', "did you mean 'weightDecay'?"],
    [
      'an option of another schedule',
      'name: plateau',
      'name: plateau, restarts: 2',
      'name: cosine has it; valid keys are ',
    ],
    ['an option of another type', 'fields: [508]', 'fields: [508], pooling: sum', 'type: bag has it; valid keys are '],
    [
      'an option of an encoding, next to it',
      'fields: [101]',
      'fields: [101], minCount: 2',
      "did you mean 'features.user.encoding.minCount' (an option of features.user.encoding.name: tokens)?",
    ],
    [
      'an option of the current encoding, next to it',
      'fields: [205]',
      'fields: [205], minCount: 2',
      "did you mean 'features.item.encoding.minCount'?",
    ],
    [
      'layers of a model without a bottom',
      'name: esmm',
      'name: esmm, hidden: [8]',
      "did you mean 'model.ctrTower.hidden' or 'model.cvrTower.hidden'?",
    ],
    [
      'a misspelled key of another section',
      'train: train.csv',
      'train: train.csv, batchSzie: 5',
      "did you mean 'training.batchSize'?",
    ],
    ['a section in another', 'training: { ', 'training: { keepLast: 2, ', "did you mean 'checkpoints.keepLast'?"],
    ['no similar key', 'training: { ', 'training: { zzzzzz: 2, ', 'valid keys are epochs, batchSize, '],
  ])('names %s', (_, from, to, fix) => {
    expect(fixOf(from, to)?.slice(0, fix.length)).toBe(fix);
  });
});

describe('many unknown keys', () => {
  /** Returns the problems of a config with unknown keys, and the number of names that they were compared with. */
  function countComparisons(numKeys: number): { readonly problems: readonly Problem[]; readonly comparisons: number } {
    const before = vi.mocked(levenshtein.distance).mock.calls.length;
    const keys = Array.from({ length: numKeys }, (_, i) => `unknown${i}: 1\n`).join('');
    let problems: readonly Problem[] = [];
    try {
      parseConfig(CONFIG + keys, 'c.yaml');
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      ({ problems } = error);
    }
    return { problems, comparisons: vi.mocked(levenshtein.distance).mock.calls.length - before };
  }

  it('are listed up to a number, and only those are compared with all keys of the schema', () => {
    const few = countComparisons(50);
    expect(few.problems.map(({ where }) => where)).toEqual(Array.from({ length: 50 }, (_, i) => `c.yaml:${i + 11}:1`));
    expect(few.comparisons).toBeGreaterThan(0);
    const many = countComparisons(10_000);
    expect(many.problems).toEqual([...few.problems, { message: 'and 9950 more problems' }]);
    expect(many.comparisons).toBe(few.comparisons);
  });
});
