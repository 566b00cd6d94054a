/** @module-tag long */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BadValue, type Encoder, type Field } from '../../src/features/feature.js';
import { featureTypes, createFields, type Fitted } from '../../src/features/feature-types.js';
import { loadedFitted, storedFitted } from '../../src/features/fitted.js';
import { growFitted } from '../../src/features/grow-fitted.js';
import { TextCounter } from '../../src/features/vocabulary/text-counter.js';
import { growTable } from '../../src/features/vocabulary/grow-table.js';
import { createTextTable } from '../../src/features/vocabulary/text-table.js';
import { MAX_KEY_BYTES } from '../../src/core/key-table.js';
import { createStringPool, listStrings, textsFrom } from '../../src/features/vocabulary/string-pool.js';

const fieldOf = (spec: object): Field => createFields([featureTypes.schema.parse({ fields: ['f'], ...spec })])[0]!;
/** Types that combine columns. */
const SEVERAL_COLUMNS: readonly string[] = ['cross', 'match', 'expression', 'sequence'];
const TOKENS = { type: 'categorical', encoding: { name: 'tokens' } };

/** What a field learns from cells, as a checkpoint gives it back. */
function learned(field: Field, cells: readonly string[]): Fitted {
  const fit = field.startFit?.();
  for (const cell of cells) fit?.observe(cell);
  return fit === undefined ? {} : loadedFitted(storedFitted({ [field.name]: fit.finish() }));
}

const always = (): boolean => true;
/** One day after the other. */
const grown = (field: Field, ...days: readonly (readonly string[])[]): ReturnType<typeof growFitted> =>
  days
    .slice(1)
    .reduce<ReturnType<typeof growFitted>>(
      (before, cells) => growFitted([field], before.fitted, learned(field, cells), always),
      { fitted: learned(field, days[0]!), changes: new Map(), unchanged: [] },
    );

describe('a fitted vocabulary', () => {
  it('grows daily: a string keeps its id, and new ones are appended', () => {
    const text = fc.constantFrom('a', 'b', 'c', 'd', 'e', '', 'é', '東京', '😀');
    fc.assert(
      fc.property(fc.array(fc.array(text, { maxLength: 12 }), { minLength: 2, maxLength: 6 }), (days) => {
        const field = fieldOf(TOKENS);
        const ids = new Map<string, number>();
        for (let d = 1; d <= days.length; d++) {
          const encoder = field.encoder(grown(field, ...days.slice(0, d)).fitted['f']);
          for (const [known, id] of ids) expect(encoder.encode(known)).toBe(id);
          const fresh = [...new Set(days[d - 1])].filter((each) => each !== '' && !ids.has(each));
          expect(fresh.map(encoder.encode).sort((a, b) => a - b)).toEqual(fresh.map((_, i) => ids.size + 1 + i));
          for (const each of fresh) ids.set(each, encoder.encode(each));
          expect(encoder.rows).toBe(1 + ids.size);
        }
      }),
    );
  });

  it('reports the ids of strings below the minimum count', () => {
    const field = fieldOf({ type: 'categorical', encoding: { name: 'tokens', minCount: 2 } });
    const { fitted, changes } = grown(field, ['a', 'a', 'a', 'b', 'b', 'c'], ['b', 'b', 'a', 'c', 'c', 'd']);
    const { encode } = field.encoder(fitted['f']);
    expect(['a', 'b', 'c', 'd'].map(encode)).toEqual([1, 2, 3, 0]);
    expect(changes.get('f')).toEqual({ fresh: 1, forgotten: Uint32Array.of(1), cleared: new Uint32Array(0) });
  });

  it('adds a string in the run in which its total count reaches minCount', () => {
    const field = fieldOf({ type: 'categorical', encoding: { name: 'tokens', minCount: 3 } });
    const idsAfter = (...days: readonly (readonly string[])[]): readonly number[] =>
      ['a', 'rare', 'new'].map(field.encoder(grown(field, ...days).fitted['f']).encode);
    const [first, second, third] = [
      ['a', 'a', 'a', 'rare'],
      ['rare', 'b'],
      ['rare', 'new', 'new', 'new'],
    ];
    expect(idsAfter(first)).toEqual([1, 0, 0]);
    expect(idsAfter(first, second)).toEqual([1, 0, 0]);
    // New texts of the day come first, in its order.
    expect(idsAfter(first, second, third)).toEqual([1, 3, 2]);

    const day = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', '', 'é', '東京', '😀'), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(fc.array(day, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 5 }), (days, minCount) => {
        const counted = fieldOf({ type: 'categorical', encoding: { name: 'tokens', minCount } });
        const texts = [...new Set(days.flat())];
        const knownBy = (fitted: Fitted): readonly string[] =>
          texts.filter((text) => counted.encoder(fitted['f']).encode(text) > 0).sort();
        const { fitted } = grown(counted, ...days);
        expect(knownBy(fitted)).toEqual(knownBy(learned(counted, days.flat())));
        expect(counted.encoder(fitted['f']).rows).toBe(1 + knownBy(fitted).length);
        expect(grown(counted, ...days).fitted).toEqual(fitted);
      }),
    );
  });

  it('counts only the current run if it drops stale strings, or without stored counts', () => {
    const field = fieldOf({ type: 'categorical', encoding: { name: 'tokens', minCount: 2 } });
    const [before, now] = [learned(field, ['a', 'a', 'once']), learned(field, ['a', 'b', 'b', 'once'])];
    const encodeAfter = (was: Fitted, drops: boolean): readonly number[] =>
      ['a', 'b', 'once'].map(field.encoder(growFitted([field], was, now, always, drops).fitted['f']).encode);
    expect(encodeAfter(before, false)).toEqual([1, 2, 3]);
    expect(encodeAfter(before, true)).toEqual([0, 1, 0]);
    expect(encodeAfter({ f: { vocabulary: ['a'] } }, false)).toEqual([1, 2, 0]);
  });

  it('keeps the counts of a limited number of rare strings, most frequent first', () => {
    const counter = new TextCounter('f');
    for (const text of ['x', 'b', 'a', 'b', 'c', 'c', 'd', 'd', 'd', '']) counter.count(text);
    const { texts, counts } = counter.rare(3);
    expect([listStrings(texts), counts]).toEqual([
      ['b', 'c', 'x', 'a'],
      [
        [2, 2],
        [1, 2],
      ],
    ]);
    const few = counter.rare(3, 3);
    expect([listStrings(few.texts), few.counts]).toEqual([
      ['b', 'c', 'x'],
      [
        [2, 2],
        [1, 1],
      ],
    ]);
    expect(listStrings(counter.rare(3, 10, 2).texts)).toEqual(['b', 'c']);
    expect(counter.rare(1).counts).toEqual([]);
    expect(listStrings(counter.frequent(3))).toEqual(['d']);
  });

  it.each([
    ['fewer counts than texts', { vocabulary: [], rare: ['a', 'b'], rareCounts: [[1, 1]] }],
    ['counts without texts', { vocabulary: [], rareCounts: [[1, 1]] }],
    ['a count of nothing', { vocabulary: [], rare: ['a'], rareCounts: [[0, 1]] }],
  ])('rejects %s', (_, fitted) => {
    expect(() => fieldOf(TOKENS).encoder(fitted)).toThrow(/rareCounts/);
  });

  it('that drops stale strings contains only those of the day, with their ids; new ones reuse vacant ids first', () => {
    const days = fc.array(
      fc.uniqueArray(fc.constantFrom<string>('', 'a', 'b', 'c', 'd', 'e', 'é', '東京'), { maxLength: 7 }),
      { minLength: 2, maxLength: 8 },
    );
    fc.assert(
      fc.property(days, ([first, ...later]) => {
        let before = createTextTable(textsFrom(first!));
        for (const day of later) {
          const had = listStrings(before);
          const { table, fresh, forgotten, cleared } = growTable(before, createTextTable(textsFrom(day)), 'f', true);
          const has = listStrings(table);
          const isGone = (text: string): boolean => text !== '\uffff' && !day.includes(text);
          expect(has.filter((text) => text !== '\uffff').sort()).toEqual([...day].sort());
          for (const [i, text] of had.entries()) if (day.includes(text)) expect(has[i]).toBe(text);
          expect(fresh).toBe(day.filter((text) => !had.includes(text)).length);
          expect([...forgotten]).toEqual(had.flatMap((text, i) => (isGone(text) ? [i + 1] : [])));
          // Whatever has another text than before, or none any more.
          expect([...cleared]).toEqual(had.flatMap((text, i) => (text !== has[i] ? [i + 1] : [])));
          const numVacant = had.filter((text) => text === '\uffff' || isGone(text)).length;
          expect(has.length).toBe(had.length + Math.max(0, fresh - numVacant));
          before = table;
        }
      }),
    );
  });

  it('is rejected if it exceeds the maximum size, with figures and a fix', () => {
    const before = { ...createTextTable(textsFrom(['a'])), bytes: { length: MAX_KEY_BYTES } as Uint8Array };
    expect(() => growTable(before, createTextTable(textsFrom(['b'])), 'item')).toThrow(
      /field 'item': would have 2 distinct strings with 4\.3 GB.*train from scratch/,
    );
  });

  it('is unchanged without new strings', () => {
    const before = createTextTable(textsFrom(['x', 'y']));
    const { table, forgotten } = growTable(before, createTextTable(textsFrom(['y'])), 'item');
    expect([table, [...forgotten]]).toEqual([before, [1]]);
    expect(listStrings(growTable(before, createTextTable(createStringPool(0, 0)), 'item').table)).toEqual(['x', 'y']);
  });
});

describe('a fitted number of ids', () => {
  it('grows with the largest id, and never shrinks', () => {
    const field = fieldOf({ type: 'categorical' });
    expect(
      [grown(field, ['3'], ['7']), grown(field, ['7'], ['3'])].map(({ fitted }) => field.encoder(fitted['f']).rows),
    ).toEqual([8, 8]);
  });
});

describe('fitted statistics', () => {
  it.each([
    { type: 'bucketized', quantiles: 2 },
    { type: 'numeric', scaling: 'standard' },
    { type: 'numeric', scaling: 'min-max' },
  ])('%j are kept or fitted again, as configured', (spec) => {
    const field = fieldOf(spec);
    const [before, now] = [learned(field, ['1', '2', '3', '4']), learned(field, ['10', '20', '40', '90'])];
    expect(growFitted([field], before, now, always)).toEqual({
      fitted: before,
      changes: new Map(),
      unchanged: [field.name],
    });
    expect(growFitted([field], before, now, () => false).fitted).toEqual(now);
  });
});

describe('the meaning of a field', () => {
  const meaning = (spec: object): string => fieldOf(spec).meaning;

  it.each([
    [
      'the number of buckets',
      { type: 'categorical', encoding: { name: 'hash', buckets: 5 } },
      { type: 'categorical', encoding: { name: 'hash', buckets: 6 } },
    ],
    [
      'the seed of a hash',
      { type: 'categorical', encoding: { name: 'hash', buckets: 5 } },
      { type: 'categorical', encoding: { name: 'hash', buckets: 5, seed: 1 } },
    ],
    ['the encoding', TOKENS, { type: 'categorical' }],
    ['boundaries', { type: 'bucketized', boundaries: [1, 2] }, { type: 'bucketized', boundaries: [1, 3] }],
    ['the number of quantiles', { type: 'bucketized', quantiles: 4 }, { type: 'bucketized', quantiles: 5 }],
    ['the scaling', { type: 'numeric' }, { type: 'numeric', scaling: 'log1p' }],
    [
      'the buckets of a cross',
      { type: 'cross', fields: [['a', 'b']], buckets: 5 },
      { type: 'cross', fields: [['a', 'b']], buckets: 6 },
    ],
    [
      'the columns of a cross',
      { type: 'cross', fields: [['a', 'b']], buckets: 5 },
      { type: 'cross', fields: [['a', 'c']], buckets: 5 },
    ],
  ])('changes with %s', (_, one, other) => {
    expect(meaning(one)).not.toBe(meaning(other));
  });

  it.each([
    ['the minimum count', TOKENS, { type: 'categorical', encoding: { name: 'tokens', minCount: 9 } }],
    ['the width', TOKENS, { ...TOKENS, width: 3 }],
    ['sizes that are given', { type: 'categorical', encoding: { sizes: { f: 3 } } }, { type: 'categorical' }],
    ['one value per row or several', TOKENS, { ...TOKENS, type: 'bag' }],
  ])('is the same with another %s', (_, one, other) => {
    expect(meaning(one)).toBe(meaning(other));
  });
});

describe('every feature type', () => {
  it.each(featureTypes.names.filter((type) => !SEVERAL_COLUMNS.includes(type)))(
    '%s encodes previous values the same after a day with other values',
    (type) => {
      const field = fieldOf({ type, ...(type === 'bucketized' && { quantiles: 3 }) });
      const [cells, later] = [
        ['1', '2', '5', '9'],
        ['3', '9', '9', '700'],
      ];
      const { fitted } = grown(field, cells, later);
      const [before, after] = [field.encoder(learned(field, cells)[field.name]), field.encoder(fitted[field.name])];
      const encodeAll = ({ encode, vector, width }: Encoder): unknown[] =>
        cells.map((cell) => {
          try {
            if (field.kind !== 'vector') return encode(cell);
            const numbers = new Float32Array(width!);
            vector!.encode(field.split(cell), numbers, 0);
            return numbers;
          } catch (error) {
            return error instanceof BadValue ? error.message : error;
          }
        });
      expect(encodeAll(after)).toEqual(encodeAll(before));
    },
  );
});
