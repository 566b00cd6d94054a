import { describe, expect, it } from 'vitest';
import type { Encoder } from '../../src/features/feature.js';
import { rowNames } from '../../src/features/row-names.js';
import { fieldOf, fittedField } from '../support/fitted-field.js';

/** The names of all rows of a field's table, as `name (means)`. */
function namesOf({ rows, rule }: Encoder): readonly string[] {
  const nameOf = rowNames({ rule });
  return Array.from({ length: rows }, (_, row) => nameOf(row)).map(({ name, means }) => `${name} (${means})`);
}

describe('the rows of a table', () => {
  it.each([
    ['ids of train', { type: 'categorical' }, ['2'], ['0 (unknown)', '1 (id)', '2 (id)']],
    [
      'ids of a given size',
      { type: 'categorical', encoding: { name: 'ids', sizes: { f: 2 } } },
      [],
      ['0 (id)', '1 (id)'],
    ],
    [
      'ids of a given size, of which an empty cell is the unknown',
      { type: 'categorical', encoding: { name: 'ids', sizes: { f: 2 } }, fillMissing: 'unknown' },
      [],
      ['0 (unknown)', '1 (id)'],
    ],
    [
      'ids with a row for empty cells',
      { type: 'categorical', fillMissing: 'token' },
      ['1'],
      ['0 (unknown)', '1 (id)', 'missing (missing)'],
    ],
    [
      'texts',
      { type: 'categorical', encoding: 'tokens' },
      ['b', 'a', 'b'],
      ['unknown (unknown)', 'b (token)', 'a (token)'],
    ],
    [
      'texts with one for empty cells',
      { type: 'categorical', encoding: 'tokens', fillMissing: 'token' },
      ['', '', 'a'],
      ['unknown (unknown)', 'missing (missing)', 'a (token)'],
    ],
    [
      'remainders, which texts share',
      { type: 'categorical', encoding: 'tokens', compression: { name: 'quotient-remainder', buckets: 2 } },
      ['a', 'b'],
      ['0 (bucket)', '1 (bucket)'],
    ],
    ['texts of bags', { type: 'bag', encoding: 'tokens' }, ['a'], ['unknown (unknown)', 'a (token)']],
    [
      'hashed texts',
      { type: 'categorical', encoding: { name: 'hash', buckets: 2 } },
      [],
      ['unknown (unknown)', '1 (bucket)', '2 (bucket)'],
    ],
    [
      'months',
      { type: 'date', parts: ['month'] },
      [],
      ['unknown (unknown)', ...Array.from({ length: 12 }, (_, i) => `${i + 1} (time)`)],
    ],
    [
      'weekdays',
      { type: 'date', parts: ['weekday'] },
      [],
      [
        'unknown (unknown)',
        'Monday (time)',
        'Tuesday (time)',
        'Wednesday (time)',
        'Thursday (time)',
        'Friday (time)',
        'Saturday (time)',
        'Sunday (time)',
      ],
    ],
    [
      'ranges',
      { type: 'bucketized', boundaries: [-1, 2.5] },
      [],
      ['unknown (unknown)', '(-inf, -1) (range)', '[-1, 2.5) (range)', '[2.5, inf) (range)'],
    ],
  ])('are named after %s', (_, spec, cells, names) => {
    expect(namesOf(fittedField(spec, cells))).toEqual(names);
  });

  it('are named after the values of a cross, whatever they contain', () => {
    const field = fieldOf({ type: 'cross', fields: [['a', 'b']], encoding: 'tokens' });
    const fit = field.startFit!();
    fit.observe('x\u001f"y" z');
    expect(namesOf(field.encoder(fit.finish()))).toEqual(['unknown (unknown)', '["x","\\"y\\" z"] (cells)']);
  });

  it("follow the encoder's rule for every row", () => {
    const spec = { type: 'categorical', encoding: 'tokens', fillMissing: 'token' };
    const encoder = fittedField(spec, ['a', '', 'b', 'b']);
    const nameOf = rowNames({ rule: encoder.rule });
    for (const text of ['a', 'b']) expect(nameOf(encoder.encode(text)).name).toBe(text);
    expect(nameOf(encoder.encode('')).means).toBe('missing');
  });
});
