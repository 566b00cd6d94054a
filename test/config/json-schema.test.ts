import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../src/config/json-schema.js';
import { parseConfig } from '../../src/config/load.js';

/** Lists the keys of a JSON Schema without a description, by path. */
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
      // The name of a component is described by the summary of the component.
      if (own.description === undefined && own.const === undefined) yield [...path, key].join('.');
      yield* undescribed(own, [...path, key]);
    }
  }
}

describe('JSON Schema of the config', () => {
  it('describes every key for editors', () => {
    expect([...new Set(undescribed(jsonSchema()))]).toEqual([]);
    expect([...undescribed({ properties: { a: { description: 'x', anyOf: [{ properties: { b: {} } }] } } })]).toEqual([
      'a.b',
    ]);
  });

  it('can be referenced in the file', () => {
    const config =
      '$schema: ./config.schema.json\ndata: { train: a.csv }\n' +
      'features: { a: { type: categorical, fields: [x] } }\ntasks: { ctr: { label: y } }\n' +
      'model: { name: single-task }\n';
    expect(parseConfig(config, 'c.yaml').tasks).toHaveProperty('ctr');
    expect(() => parseConfig(config.replace('$schema', '$schem'), 'c.yaml')).toThrow(
      /unknown key; did you mean '\$schema'/,
    );
  });
});
