import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('every mutation of a kernel names text that is in its file once', async () => {
  // JavaScript without types, for Node alone.
  const { mutated, MUTATIONS } = (await import(join(import.meta.dirname, 'mutations.js'))) as {
    readonly MUTATIONS: readonly { readonly file: string; readonly replacement: string }[];
    readonly mutated: (text: string, mutation: object) => string;
  };
  for (const mutation of MUTATIONS) {
    const text = readFileSync(join(import.meta.dirname, '..', '..', mutation.file), 'utf8');
    expect(mutated(text, mutation)).not.toBe(text);
    expect(() => mutated('', mutation)).toThrow('found the text 0 times');
  }
});
