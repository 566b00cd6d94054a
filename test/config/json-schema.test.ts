import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../src/config/json-schema.js';
import { parseConfig } from '../../src/config/load.js';

/** The keys of a JSON Schema of which nothing is said, by their path. */
function* undescribed(node: unknown, path: readonly string[] = []): Generator<string> {
  if (typeof node !== 'object' || node === null) return;
  for (const [name, child] of Object.entries(node)) {
    if (name !== 'properties') {
      yield* undescribed(child, path);
      continue;
    }
    for (const [key, own] of Object.entries(
      child as Record<string, { readonly description?: string; readonly const?: unknown }>,
    )) {
      // What a part is called says what it is: the part has a summary.
      if (own.description === undefined && own.const === undefined) yield [...path, key].join('.');
      yield* undescribed(own, [...path, key]);
    }
  }
}

describe('the JSON Schema of a config', () => {
  it('describes every key for editors', () => {
    expect([...new Set(undescribed(jsonSchema()))]).toEqual([]);
    expect([...undescribed({ properties: { a: { description: 'x', anyOf: [{ properties: { b: {} } }] } } })]).toEqual([
      'a.b',
    ]);
  });

  it('may be referenced in the file itself', () => {
    const config =
      '$schema: ./config.schema.json\ndata: { train: a.csv }\nfeatures: { a: { type: categorical, fields: [x] } }\ntasks: { ctr: { label: y } }\nmodel: { name: single-task }\n';
    expect(parseConfig(config, 'c.yaml').tasks).toHaveProperty('ctr');
    expect(() => parseConfig(config.replace('$schema', '$schem'), 'c.yaml')).toThrow(
      /unknown key; did you mean '\$schema'/,
    );
  });
});
