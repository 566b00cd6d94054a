import { describe, expect, it } from 'vitest';
import { checkFeatures } from '../../src/features/check.js';
import { encodedFields, featureTypes, createFields } from '../../src/features/feature-types.js';
import { growFitted } from '../../src/features/grow-fitted.js';
import { fieldOf, fittedField } from '../support/fitted-field.js';

const types = [
  ['ids', { type: 'categorical' }, ['1', '3', '1']],
  ['ids of a size that is given', { type: 'categorical', encoding: { name: 'ids', sizes: { f: 9 } } }, ['1', '3', '1']],
  ['tokens', { type: 'categorical', encoding: 'tokens' }, ['a', 'b', 'a']],
  ['hash', { type: 'categorical', encoding: { name: 'hash', buckets: 50 } }, ['a', 'b', 'a']],
  ['bucketized', { type: 'bucketized', boundaries: [2] }, ['1', '3', '1']],
  ['quantiles', { type: 'bucketized', quantiles: 2 }, ['1', '3', '1']],
] as const;

describe.each(types)('a missing value of %s', (_, spec, cells) => {
  const [first, other] = cells;

  it('can be out of vocabulary, without affecting the fit', () => {
    const { encode, rows } = fittedField({ ...spec, fillMissing: 'unknown' }, ['', ...cells, '']);
    const without = fittedField(spec, cells);
    expect([encode(''), encode(first), encode(other), rows]).toEqual([
      0,
      without.encode(first),
      without.encode(other),
      without.rows,
    ]);
  });

  it('can have its own token, which no value has', () => {
    const { encode, rows } = fittedField({ ...spec, fillMissing: 'token' }, ['', ...cells, '']);
    const found = [encode(''), encode(first), encode(other)];
    expect(new Set(found).size).toBe(3);
    for (const id of found) expect(id > 0 && id < rows).toBe(true);
  });

  it('can be an error', () => {
    const field = fieldOf({ ...spec, fillMissing: 'error' });
    expect(() => fittedField({ ...spec, fillMissing: 'error' }, cells).encode('')).toThrow(/a value/);
    const fit = field.startFit?.();
    if (fit !== undefined) expect(() => fit.check('')).toThrow(/a value/);
  });

  it('is part of the meaning of a table, so that another table is not reused', () => {
    const meanings = [spec, { ...spec, fillMissing: 'unknown' }, { ...spec, fillMissing: 'token' }].map(
      (each) => fieldOf(each).meaning,
    );
    expect(new Set(meanings).size).toBe(3);
  });
});

describe('a token for missing values', () => {
  it('keeps its id when a vocabulary grows', () => {
    const field = fieldOf({ type: 'categorical', encoding: 'tokens', fillMissing: 'token' });
    const learn = (cells: readonly string[]): unknown => {
      const fit = field.startFit!();
      for (const cell of cells) fit.observe(cell);
      return fit.finish();
    };
    const before = learn(['a', '', '', 'a', 'a']);
    const grown = growFitted([field], { f: before }, { f: learn(['b', 'b', 'b', 'b', 'a', '']) }, () => true).fitted[
      'f'
    ];
    const [then, now] = [field.encoder(before), field.encoder(grown)];
    expect(['a', '', 'b'].map((cell) => now.encode(cell))).toEqual([then.encode('a'), then.encode(''), 3]);
  });

  it('cannot occur as a value', () => {
    const field = fieldOf({ type: 'categorical', encoding: 'tokens', fillMissing: 'token' });
    const fit = field.startFit!();
    for (const cell of ['', 'a', '']) fit.observe(cell);
    const { encode, direct } = field.encoder(fit.finish());
    expect(() => encode('\u001f')).toThrow(/U\+001F/);
    expect(direct?.cell === 'token' && direct.idOf(Uint8Array.of(0x1f), 0, 1)).toBe(0);
    expect(direct?.cell === 'token' && direct.idOf(Uint8Array.of(0x61), 0, 1)).toBe(encode('a'));
  });
});

describe('a separate token for missing values', () => {
  it.each([
    { encoding: 'ids' },
    { encoding: 'tokens' },
    { encoding: { name: 'hash', buckets: 9 } },
    { encoding: 'auto' },
  ])('lets bags share the table of %j: their items are never missing', (encoding) => {
    const groups = [
      { type: 'categorical', fields: ['f'], fillMissing: 'token', ...encoding },
      { type: 'bag', fields: ['seen'], table: 'f', ...encoding },
    ].map((group) => featureTypes.schema.parse(group));
    expect([...checkFeatures({ one: groups[0]!, many: groups[1]! }, [])]).toEqual([]);
    const fields = createFields(groups);
    const fit = fields[0]!.startFit?.();
    for (const text of ['1', '', '2', '3', '3']) fit?.observe(text);
    const [cell, item] = encodedFields(fields, fit === undefined ? {} : { f: fit.finish() });
    expect(item!.rows).toBe(cell!.rows);
    expect(['1', '2', '3'].map(item!.encode)).toEqual(['1', '2', '3'].map(cell!.encode));
    expect(['1', '2', '3'].map(item!.encode)).not.toContain(cell!.encode(''));
  });
});

describe('a missing number', () => {
  it.each([
    ['mean', ['1', '', '2', '6'], 3],
    ['median', ['1', '', '2', '6'], 2],
    ['median', ['1', '2', '6', '7', ''], 4],
    ['zero', ['1', ''], 0],
    [-7.5, ['1', ''], -7.5],
  ] as const)('can be the %j of the training set: of %j', (missing, cells, expected) => {
    const { encode } = fittedField({ type: 'numeric', fillMissing: missing }, cells);
    expect([encode(''), encode('2')]).toEqual([expected, 2]);
  });

  it('is an error by default, with a fix', () => {
    for (const spec of [{}, { fillMissing: 'error' }, { scaling: 'standard' }]) {
      expect(() => fittedField({ type: 'numeric', ...spec }, ['1', '2']).encode('')).toThrow(
        expect.objectContaining({
          expected: 'a decimal number',
          cure: expect.stringContaining('fillMissing: mean') as unknown,
        }),
      );
    }
    expect(() => fieldOf({ type: 'numeric', scaling: 'standard' }).startFit!().check('')).toThrow(/a decimal number/);
  });

  it('is filled before scaling, and scales are fitted on present numbers', () => {
    const { encode } = fittedField({ type: 'numeric', fillMissing: 'mean', scaling: 'standard' }, ['1', '', '3', '']);
    expect(['', '1', '3'].map(encode)).toEqual([0, -1, 1]);
    const zero = fittedField({ type: 'numeric', fillMissing: 'zero', scaling: ['log1p', 'min-max'] }, ['1', '', '3']);
    expect([zero.encode('3'), zero.encode('1')]).toEqual([1, 0]);
    expect(zero.encode('')).toBeCloseTo(-1, 12);
  });

  it('can have an indicator column', () => {
    const fields = createFields([
      featureTypes.schema.parse({ type: 'numeric', fields: ['f'], fillMissing: 'mean', indicator: true }),
    ]);
    expect(fields.map(({ name, columns, kind, width }) => [name, columns, kind, width])).toEqual([
      ['f', ['f'], 'number', 1],
      ['f_missing', ['f'], 'number', 1],
    ]);
    const { encode } = fields[1]!.encoder(undefined);
    expect(['', '0', '-3.5'].map(encode)).toEqual([1, 0, 0]);
    expect(Object.is(encode('-1'), 0)).toBe(true);
    expect(() => encode('none')).toThrow(/a decimal number/);
  });

  it('in a column without numbers in the training set is an error that names the field', () => {
    for (const spec of [
      { fillMissing: 'mean' },
      { fillMissing: 'median' },
      { fillMissing: 'zero', scaling: 'standard' },
    ]) {
      expect(() => fittedField({ type: 'numeric', ...spec }, ['', ''])).toThrow(
        /field 'f': has no number in the training set/,
      );
    }
  });
});
