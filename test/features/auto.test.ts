import { describe, expect, it } from 'vitest';
import { fieldOf, fittedField } from '../support/fitted-field.js';

const auto = (cells: readonly string[], more: object = {}) =>
  fittedField({ type: 'categorical', encoding: 'auto', ...more }, cells);
const upTo = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i + 1));

describe('the automatic encoding', () => {
  it('uses ids as they are if they count from 1, in any order', () => {
    const { rows, encode, decision, direct } = auto(['3', '1', '2', '5', '']);
    expect([rows, decision]).toEqual([6, 'ids up to 5']);
    expect(['', '1', '5', '4', '6', '99999999999', 'x', '0', '007'].map(encode)).toEqual([0, 1, 5, 4, 0, 0, 0, 0, 0]);
    expect(direct).toEqual({ cell: 'id', below: 6 });
  });

  it.each([
    ['a text', ['1', '2', 'b']],
    ['a 0, which is the unknown', ['0', '1', '2']],
    ['a 0 in front', ['01', '2', '3']],
    ['a number with decimals', ['1', '2.0']],
    ['a number below 0', ['1', '-2']],
    ['too many gaps', ['1', '2', '900']],
    ['more than an id can be', ['4294967296', '4294967297']],
    ['nothing but empty cells', ['', '']],
  ])('uses tokens for %s', (_, cells) => {
    const texts = cells.filter((cell) => cell !== '');
    const { rows, encode, decision } = auto(cells);
    expect([rows, decision]).toEqual([1 + texts.length, `${texts.length} strings (tokens)`]);
    expect(texts.map(encode).sort()).toEqual(texts.map((_text, i) => i + 1));
    expect([encode(''), encode('unseen')]).toEqual([0, 0]);
  });

  it('requires half of the ids up to the largest', () => {
    expect(auto([...upTo(50), '100']).decision).toBe('ids up to 100');
    expect(auto([...upTo(48), '100']).rows).toBe(50);
  });

  it('depends only on the set of values, not on order or counts', () => {
    const cells = ['2', '1', '2', '2', '3', '1'];
    for (const each of [cells, cells.toReversed(), [...cells, ...cells]])
      expect(auto(each).decision).toBe('ids up to 3');
    for (const each of [
      [...cells, 'x'],
      ['x', ...cells],
    ])
      expect(auto(each).decision).toBe('4 strings (tokens)');
  });

  it('can give missing values their own token', () => {
    const { encode, rows } = auto(['1', '2', ''], { fillMissing: 'token' });
    expect([rows, new Set(['1', '2', ''].map(encode)).size]).toEqual([4, 3]);
  });

  it('grows with its decision, and rejects data that contradicts it', () => {
    const field = fieldOf({ type: 'categorical', encoding: 'auto' });
    const learn = (cells: readonly string[]): unknown => {
      const fit = field.startFit!();
      for (const cell of cells) fit.observe(cell);
      return fit.finish();
    };
    expect(field.grow!(learn(['1', '2']), learn(['1', '2', '3']), false).fitted).toEqual({ size: 4 });
    const grown = field.encoder(field.grow!(learn(['a', 'b']), learn(['c', 'b']), false).fitted);
    expect(['a', 'b', 'c'].map(grown.encode)).toEqual([1, 2, 3]);
    expect(() => field.grow!(learn(['1', '2']), learn(['1', 'x']), false)).toThrow(
      /field 'f': values were ids when it was fitted, and are not ids now.*encoding: tokens/s,
    );
  });
});
