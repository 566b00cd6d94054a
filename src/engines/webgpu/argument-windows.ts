import { CALL_WORDS, FIRST_CALL_WORD, STEP_WORDS, WINDOW_WORDS } from './wgsl/prelude.js';

/** A dispatch whose arguments are stored in a window. */
export interface Placed {
  readonly shader: { readonly slot: number };
  readonly arguments: readonly Uint32Array[];
}

/**
 * Stores the arguments of dispatches in windows, in order. A window ends when it is full, or when a shader follows of
 * which it has calls. Consecutive dispatches of a window share a bind group: setting one takes the host longer than a
 * dispatch.
 * @returns each window's words, and the window of each dispatch
 */
export function inWindows(dispatches: readonly Placed[]): {
  readonly windows: readonly Uint32Array<ArrayBuffer>[];
  readonly windowOf: readonly number[];
} {
  const windows: Uint32Array<ArrayBuffer>[] = [];
  const windowOf: number[] = [];
  let taken = new Set<number>();
  let end = WINDOW_WORDS;
  for (const {
    shader: { slot },
    arguments: calls,
  } of dispatches) {
    if (taken.has(slot) || end + calls.length * CALL_WORDS > WINDOW_WORDS) {
      windows.push(new Uint32Array(WINDOW_WORDS));
      taken = new Set();
      end = FIRST_CALL_WORD;
    }
    taken.add(slot);
    const words = windows.at(-1)!;
    words[STEP_WORDS + (slot >> 1)]! |= (end / 4) << (slot % 2 === 0 ? 0 : 16);
    for (const call of calls) {
      words.set(call, end);
      end += CALL_WORDS;
    }
    windowOf.push(windows.length - 1);
  }
  return { windows, windowOf };
}
