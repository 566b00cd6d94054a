import { describe, expect, it } from 'vitest';
import { parameterOptions } from '../../src/study/domains/domains.js';
import { buildSpace } from '../../src/study/space.js';
import { valueCell, valueLabel } from '../../src/study/trial-text.js';

const labelsOf = (values: readonly unknown[]): readonly string[] => {
  const [parameter] = buildSpace({ x: parameterOptions.parse(values) });
  return values.map((value) => valueLabel(parameter!, value));
};
const mmoe = (count: number, hidden: readonly number[]) => ({
  name: 'mmoe',
  experts: { count, hidden, dropout: 0.1 },
  tower: { hidden: [16] },
});

describe('values in a table', () => {
  const [parameter] = buildSpace({ x: parameterOptions.parse([mmoe(3, [8]), 'adam']) });

  it('have all keys of an object, folded', () => {
    expect(valueCell(parameter!, mmoe(3, [8, 16, 32])).split('\n')).toEqual([
      'name=mmoe count=3',
      'experts.hidden=[8,16,32]',
      'dropout=0.1',
      'tower.hidden=[16]',
    ]);
  });

  it('are labels otherwise', () => {
    expect(valueCell(parameter!, 'adam')).toBe('adam');
  });
});

describe('labels of choices', () => {
  it('are their values if these differ as printed', () => {
    expect(labelsOf([128, 0.00012345678, 'adam', [64, 32], { name: 'esmm' }])).toEqual([
      '128',
      '0.0001235',
      'adam',
      '[64,32]',
      '{"name":"esmm"}',
    ]);
    expect(labelsOf([{ name: 'esmm', ctrTower: { hidden: [16] } }, mmoe(3, [8])])).toEqual(
      ['{"name":"esmm","ctrTower…', '{"name":"mmoe","experts"…'].map(
        (text) => `${text.replace('…', '').slice(0, 23)}…`,
      ),
    );
  });

  it.each([
    [
      'sections that begin alike',
      [mmoe(3, [8]), mmoe(4, [8]), mmoe(3, [16, 8])],
      ['count=3 hidden=[8]', 'count=4 hidden=[8]', 'count=3 hidden=[16,8]'],
    ],
    [
      'sections of other models',
      [mmoe(3, [8]), mmoe(4, [8]), { name: 'esmm' }],
      ['name=mmoe count=3 exper…', 'name=mmoe count=4 exper…', 'name=esmm count=- exper…'],
    ],
    [
      'sections of which one has a key more',
      [
        { name: 'adam', weightDecay: 0.1, beta1: 0.9 },
        { name: 'adam', weightDecay: 0.1, beta1: 0.9, beta2: 0.5 },
      ],
      ['beta2=-', 'beta2=0.5'],
    ],
    ['numbers that are alike to four digits', [0.00012341, 0.00012342], ['0.00012341', '0.00012342']],
    ['a number and its text', [1, '1'], ['1', '"1"']],
    [
      'texts that are cut at the same place',
      [`${'x'.repeat(30)}1`, `${'x'.repeat(30)}2`],
      [`${'x'.repeat(19)}… #1`, `${'x'.repeat(19)}… #2`],
    ],
  ])('distinguish %s', (_, values, expected) => {
    const labels = labelsOf(values);
    expect(labels.map((label) => label.replace(/^"x/, 'x'))).toEqual(expected);
    for (const label of labels) expect(label.length).toBeLessThanOrEqual(24);
  });
});
