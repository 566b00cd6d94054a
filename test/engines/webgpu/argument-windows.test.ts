import { expect, it } from 'vitest';
import { inWindows, type Placed } from '../../../src/engines/webgpu/argument-windows.js';
import {
  CALL_WORDS,
  FIRST_CALL_WORD,
  MAX_CALLS,
  SLOTS,
  STEP_WORDS,
  WINDOW_WORDS,
} from '../../../src/engines/webgpu/wgsl/prelude.js';

let calls = 0;
const dispatch = (slot: number, count = 1): Placed => ({
  shader: { slot },
  arguments: Array.from({ length: count }, () => new Uint32Array(CALL_WORDS).fill(++calls)),
});
const windowsOf = (dispatches: readonly Placed[]): readonly number[] => inWindows(dispatches).windowOf;

it('arguments share a window until a shader repeats', () => {
  expect(windowsOf([dispatch(1), dispatch(2), dispatch(1), dispatch(3), dispatch(2), dispatch(3)])).toEqual([
    0, 0, 1, 1, 1, 2,
  ]);
});

it('a window that is full is followed by another', () => {
  expect(windowsOf([dispatch(1, MAX_CALLS - 1), dispatch(2), dispatch(3), dispatch(4, MAX_CALLS)])).toEqual([
    0, 0, 1, 2,
  ]);
});

it('the directory of a window locates the calls of each shader', () => {
  const dispatches = [
    dispatch(0, 2),
    dispatch(1, 3),
    dispatch(SLOTS - 1),
    dispatch(1),
    dispatch(SLOTS - 2, MAX_CALLS),
    dispatch(0),
  ];
  const { windows, windowOf } = inWindows(dispatches);
  for (const [
    d,
    {
      shader: { slot },
      arguments: own,
    },
  ] of dispatches.entries()) {
    const words = windows[windowOf[d]!]!;
    expect(words).toHaveLength(WINDOW_WORDS);
    const first = 4 * ((words[STEP_WORDS + (slot >> 1)]! >> (slot % 2 === 0 ? 0 : 16)) & 0xffff);
    expect(first).toBeGreaterThanOrEqual(FIRST_CALL_WORD);
    expect([...words.subarray(first, first + own.length * CALL_WORDS)]).toEqual(own.flatMap((call) => [...call]));
  }
});
