import type { Fitted } from './feature-types.js';
import type { Field } from './feature.js';
import { parseGrowth } from './vocabulary/growth-state.js';
import { createTokenTable, type ServedTokens, type TokenTable } from './vocabulary/token-table.js';

/** Returns what is fitted for predictions: growing vocabularies have their tokens alone, in shared memory. */
export function withoutGrowth(fitted: Fitted): Fitted {
  return Object.fromEntries(
    Object.entries(fitted).map(([name, value]) => {
      const grown = parseGrowth(value);
      return [name, grown === undefined ? value : { vocabulary: grown.vocabulary }];
    }),
  );
}

/** Returns whether any vocabulary grew. */
export function hasGrowth(fitted: Fitted): boolean {
  return Object.values(fitted).some((value) => parseGrowth(value) !== undefined);
}

/**
 * Creates the tables of all growing vocabularies, which take the texts of what was fitted.
 * @returns what is fitted for the encoders of a server, and the tables by the field that has them
 */
export function serveTokens(
  fields: readonly Field[],
  fitted: Fitted,
): { readonly fitted: Fitted; readonly tokens: ReadonlyMap<string, TokenTable> } {
  const tokens = new Map<string, TokenTable>();
  const served = Object.entries(fitted).map(([name, value]): [string, unknown] => {
    const grown = parseGrowth(value);
    const capacity = fields.find((field) => field.name === name)?.growth?.capacity;
    if (grown === undefined || capacity === undefined) return [name, value];
    const { bytes, offsets } = grown.vocabulary;
    const table = createTokenTable(grown.vocabulary, capacity);
    tokens.set(name, table);
    return [name, { first: { bytes, offsets }, table } satisfies ServedTokens];
  });
  return { fitted: Object.fromEntries(served), tokens };
}
