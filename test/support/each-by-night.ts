import { it } from 'vitest';

/**
 * Defines a test for each case, as `it.each` does. The first case runs in .ci/run; the others have the tag nightly,
 * because they repeat it with another value.
 */
export function eachByNight<T extends readonly unknown[]>(cases: readonly T[]) {
  return (title: string, options: { readonly timeout?: number }, test: (...args: [...T]) => Promise<void>): void => {
    it.for(cases.slice(0, 1))(title, options, (args) => test(...([...args] as [...T])));
    it.for(cases.slice(1))(title, { ...options, tags: ['nightly'] }, (args) => test(...([...args] as [...T])));
  };
}
