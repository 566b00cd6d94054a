import { describe, expect, it } from 'vitest';
import { inspectColumn } from '../../src/init/column-kind.js';

/** A column with one row per value. */
const columnOf = (name: string, values: readonly string[]) => ({
  name,
  values,
  counts: values.map(() => 1),
  codes: Uint32Array.from(values, (_, i) => i),
});

describe('a column that mtl init inspects', () => {
  it('is numeric, whatever its markers of missing values', () => {
    const prices = Array.from({ length: 90 }, (_, i) => `${i},${(i * 37) % 100}`);
    const { kind, blankWords, blanks } = inspectColumn(
      columnOf('Price EUR', [...prices, 'n/a', 'N/A', 'Null', '', '#N/A']),
    );
    expect(kind).toMatchObject({ is: 'number', hasComma: true });
    expect(blankWords).toEqual(['n/a', 'N/A', 'Null', '#N/A']);
    expect(blanks).toBeCloseTo(5 / 95, 12);
  });

  it('is a feature if it has one value in some rows and a marker of missing values in others', () => {
    expect(inspectColumn(columnOf('airbag', ['airbag', 'none']))).toMatchObject({
      kind: { is: 'id' },
      blanks: 0.5,
      blankWords: ['none'],
    });
    expect(inspectColumn(columnOf('airbag', ['airbag'])).kind).toEqual({ is: 'constant' });
  });

  it('is numeric if it has up to 128 integers and no typical name of ids', () => {
    const upTo = (count: number) => Array.from({ length: count }, (_, i) => String(i));
    expect(inspectColumn(columnOf('ageOfOccupant', upTo(90))).kind).toMatchObject({ is: 'number' });
    expect(inspectColumn(columnOf('city', upTo(90))).kind).toEqual({ is: 'key' });
  });

  it.each([
    [
      'numbered branches',
      ['SUBWAY #1', 'SUBWAY #2', 'SUBWAY #14', 'KFC #1', 'KFC #2', 'KFC', 'WENDYS #1', 'WENDYS #14'],
    ],
    [
      'branches with departments',
      ['CARRS #520 - DELI', 'CARRS #520 - BAKERY', 'TACO KING #2', 'TACO KING #3', 'TACO KING'],
    ],
    ['family and first names', ['Smith, Ann', 'Smith, Bob', 'Jones, Ann', 'Jones, Bob', 'Brown, Ann', 'Brown, Bob']],
    ['towns and states', ['Portland, OR', 'Salem, OR', 'Austin, TX', 'Dallas, TX', 'Houston, TX', 'Eugene, OR']],
    ['codes of two parts', ['A320 214', 'A320 251', 'A321 214', 'A321 251', 'B737 800', 'B738 800']],
    ['ranges', ['18-25;low', '18-25;high', '26-40;low', '26-40;high', '41-60;low', '41-60;high']],
  ])('is no list if a separator is part of names: %s', (_, values) => {
    expect(inspectColumn(columnOf('name', values)).kind.is).not.toBe('list');
  });

  const LISTS = [
    ['drama', 'comedy'],
    ['comedy', 'drama', 'war'],
    ['war'],
    ['crime', 'drama'],
    ['drama', 'war', 'crime'],
    ['comedy', 'war'],
    ['crime', 'comedy'],
  ];
  it.each(['|', ',', ', ', ';', '; ', '#', ' # ', '^'])('is a list of words with the separator "%s"', (separator) => {
    const values = LISTS.map((items) => items.join(separator));
    expect(inspectColumn(columnOf('genres', values))).toMatchObject({
      kind: { is: 'list', items: separator.trim(), length: 3 },
      different: 4,
    });
  });

  it.each([' ', '#', ',', '^'])('is a list of ids with the separator "%s"', (separator) => {
    // All of one length, as the last visits of a user are.
    const values = Array.from({ length: 40 }, (_, i) =>
      [i, 3 * i, 7 * i + 1].map((id) => 10 + (id % 20)).join(separator),
    );
    expect(inspectColumn(columnOf('visited', values)).kind).toMatchObject({ is: 'list', items: separator, length: 3 });
  });

  it('is a list whose sorted items keep to their half', () => {
    const values = ['a,b', 'a,c', 'a,d', 'b,c', 'b,d', 'c,d', 'a,b,c', 'b', 'd'];
    expect(inspectColumn(columnOf('tags', values)).kind).toMatchObject({ is: 'list', items: ',', length: 3 });
  });

  it('is a list of weighted items', () => {
    const values = Array.from({ length: 20 }, (_, i) => `${i % 5}:0.5,${(i * 3) % 7}:0.5`);
    expect(inspectColumn(columnOf('tags', values)).kind).toMatchObject({ is: 'list', items: ',', weight: ':' });
  });
});
