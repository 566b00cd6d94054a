/** @module-tag long */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { globSync } from 'tinyglobby';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { experimentSchema } from '../../src/config/experiment.js';
import { jsonSchema, wholeJsonSchema } from '../../src/config/json-schema.js';
import { brokenConfigs, VALID_CONFIG } from '../support/broken-configs.js';
import { codeBlocks } from '../support/code-blocks.js';
import { docsPages, GENERATED_PAGES, readPage } from '../support/pages.js';

const root = join(import.meta.dirname, '..', '..');
const configs = globSync('configs/**/*.yaml', { cwd: root }).sort();
const examples = docsPages
  .filter((page) => !GENERATED_PAGES.includes(page))
  .flatMap((page) => codeBlocks(readPage(page)))
  .filter(({ language }) => language === 'yaml')
  .map(({ text }) => parse(text) as object | null)
  .filter((example) => Object.keys(example ?? {}).some((key) => key in experimentSchema.shape));
/** Examples that mtl accepts; others are parts of a config. */
const whole = examples.filter((example) => experimentSchema.partial({ name: true }).safeParse(example).success);

describe('JSON Schema of the config, compiled by ajv in strict mode', () => {
  let validate: ValidateFunction;
  /** The schema as zod writes it: whole, without shared parts. */
  let validateWhole: ValidateFunction;
  beforeAll(() => {
    validate = new Ajv2020({ strict: true, allErrors: true }).compile(jsonSchema());
    const whole = wholeJsonSchema();
    validateWhole = new Ajv2020({ strict: false, validateFormats: false }).compile(whole);
  }, 300_000);

  it.each(configs)('accepts %s', (file) => {
    validate(parse(readFileSync(join(root, file), 'utf8')));
    expect(validate.errors).toBeNull();
  });

  it('accepts complete examples of the documentation, and decides as the whole schema on all others', () => {
    expect([whole.length > 5, examples.length > 50]).toEqual([true, true]);
    for (const example of whole) {
      validate(example);
      expect([example, validate.errors]).toEqual([example, null]);
    }
    for (const example of examples) expect([example, validate(example)]).toEqual([example, validateWhole(example)]);
  });

  it('rejects the same invalid configs as the whole schema', () => {
    const verdicts = brokenConfigs.map(({ title, edits }) => {
      const text = edits.reduce((config, [from, to]) => config.replace(from, to), VALID_CONFIG);
      try {
        const config: unknown = parse(text);
        return { title, isValid: validate(config), before: validateWhole(config) };
      } catch {
        // Not YAML.
        return undefined;
      }
    });
    for (const verdict of verdicts)
      if (verdict !== undefined) expect(verdict.isValid, verdict.title).toBe(verdict.before);
    // Others are wrong across keys, which a schema cannot express.
    expect(verdicts.filter((verdict) => verdict?.isValid === false).length).toBeGreaterThan(30);
  });

  it('stores parts once, and keeps the description of a key that refers to one', () => {
    const bytes = (schema: object): number => JSON.stringify(schema).length;
    const before = wholeJsonSchema();
    expect(bytes(jsonSchema())).toBeLessThan(bytes(before) / 2);
    const { properties } = jsonSchema() as { properties: Record<string, { properties: Record<string, object> }> };
    expect(properties['data']!.properties['valid']).toEqual({
      $ref: '#/$defs/train',
      description: 'Validation set, measured after each epoch to choose the best checkpoint',
    });
  });
});
