import { describe, expect, it } from 'vitest';
import { appendWindow, restoreWindow, storeWindow } from '../../src/training/window-rows.js';

/** Blocks of 3, 1 and 4 rows, with room for more. */
const numbers = Float32Array.from({ length: 8 }, (_, row) => row / 8);
const blocks = [
  [0, 3],
  [3, 4],
  [4, 8],
].map(([begin, end]) => {
  const data = new Float32Array(6);
  data.set(numbers.subarray(begin, end));
  return { rows: end! - begin!, predictions: new Map([['ctr', data]]), labels: new Map([['click', data]]) };
});

describe('the rows of a window', () => {
  it('are those of a full checkpoint and a delta, wherever the delta begins', () => {
    for (let first = 0; first <= 8; first++) {
      const before = storeWindow(blocks, 0);
      const kept = new Map(
        Array.from(before, ([name, { shape, data }]) =>
          name === 'first' ? [name, { shape, data }] : [name, { shape: [first], data: data.slice(0, first) }],
        ),
      );
      const { rows, predictions, labels } = restoreWindow(appendWindow(kept, storeWindow(blocks, first)));
      expect([first, rows, predictions.get('ctr'), labels.get('click')]).toEqual([first, 8, numbers, numbers]);
    }
  });

  it('are refused if a delta has other columns than the rows before it', () => {
    const [before, after] = [storeWindow(blocks.slice(0, 2), 0), storeWindow(blocks, 4)];
    const without = (name: string) => new Map([...after].filter(([each]) => each !== name));
    const append = (delta: typeof after) => () => appendWindow(before, delta);
    expect(append(after)).not.toThrow();
    for (const name of ['predictions.ctr', 'labels.click'])
      expect(append(without(name))).toThrow(`${name}: the tensor is missing`);
    expect(append(new Map([...after, ['labels.buy', after.get('labels.click')!]]))).toThrow(
      'labels.buy: the tensor is not expected',
    );
    const bytes = { shape: [4], data: new Uint8Array(4) };
    expect(append(new Map([...after, ['labels.click', bytes]]))).toThrow('labels.click: expected a vector of F32');
  });
});
