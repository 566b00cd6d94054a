import { describe, expect, it } from 'vitest';
import { listChanges } from '../../src/config/changes.js';
import { parseConfig } from '../../src/config/load.js';

const MINIMAL = `
data: { train: a.csv }
features: { f: { type: categorical, fields: [x] } }
tasks: { ctr: { label: click } }
model: { name: esmm, ctrTower: { hidden: [16, 8] } }
`;
const always = ['name', 'data.train', 'features.f.type', 'features.f.fields', 'tasks.ctr.label', 'model.name'];

describe('config changes', () => {
  it.each([
    ['no change', '', []],
    ['a default value', 'seed: 2026\ntraining: { epochs: 1 }', []],
    [
      'values in default sections',
      'training: { epochs: 3, optimizer: { dense: { learningRate: 0.5 } } }',
      ['training.epochs', 'training.optimizer.dense.learningRate'],
    ],
    [
      'another choice by name, with options',
      'training: { optimizer: { dense: { name: sgd } } }',
      ['training.optimizer.dense.name'],
    ],
    ['an optional section with defaults only', 'training: { diagnostics: {} }', ['training.diagnostics']],
  ])('relative to the defaults: %s', (_, more, expected) => {
    const single = MINIMAL.replace('esmm, ctrTower: { hidden: [16, 8] }', 'shared-bottom');
    const keys = listChanges(parseConfig(single + more, 'c.yaml')).map(({ key }) => key);
    expect(keys.filter((key) => !always.includes(key))).toEqual(expected);
    expect(always.filter((key) => !keys.includes(key))).toEqual([]);
  });

  it('include the default', () => {
    const changes = listChanges(
      parseConfig(
        MINIMAL.replace('{ ctr: { label: click } }', '{ ctr: { label: click }, cvr: { label: buy, given: click } }') +
          'training: { epochs: 7 }',
        'c.yaml',
      ),
    );
    expect(changes.at(-1)).toEqual({ key: 'training.epochs', value: 7, byDefault: 1 });
    expect(changes.some(({ key }) => key.startsWith('model.ctrTower'))).toBe(false);
  });
});
