import { z } from 'zod';
import { didYouMean, joined } from '../core/errors.js';
import type { ValidationIssue } from '../core/component.js';
import { columnName } from '../core/tasks.js';
import { buildEncoding, encodingOption, listFieldKeys, type EncodingSpec } from './encodings/encodings.js';
import type { Encoding, Field } from './feature.js';

/** Width of the embeddings of a group. */
export const embeddingWidth = z.int().min(1).max(4096).default(16).describe('Embedding dimension');

/** Options of all feature types with an encoding and a table. */
export const embeddedOptions = {
  width: embeddingWidth,
  encoding: encodingOption
    .prefault({})
    .describe("Encoding of values as ids: a name, or options; default with table: its owner's"),
  table: z
    .union([columnName, z.record(z.string(), columnName)])
    .optional()
    .describe('Field whose table, width and encoding to share, or a map by field'),
};

interface EmbeddedOptions {
  readonly width: number;
  readonly encoding: EncodingSpec;
  readonly table?: string | Readonly<Record<string, string>> | undefined;
}

/** Requires that every field that an option names is in the group and owns its table. */
export function* checkEmbedded(
  { encoding, table }: EmbeddedOptions,
  fields: readonly string[],
): Generator<ValidationIssue> {
  const foreign = (field: string): string => joined('not a field of this group', didYouMean(field, fields));
  for (const [option, field] of listFieldKeys(encoding)) {
    const path = ['encoding', option, field];
    if (!fields.includes(field)) yield { path, message: foreign(field) };
    else if (findOwner(table, field) !== field)
      yield { path, message: `'${field}' shares the table of '${findOwner(table, field)}'; set it there` };
  }
  if (typeof table !== 'object') return;
  for (const field of Object.keys(table))
    if (!fields.includes(field)) yield { path: ['table', field], message: foreign(field) };
}

/** Returns the part of a field that does not depend on its type. */
export function embeddedField(
  name: string,
  { width, encoding, table }: EmbeddedOptions,
): Encoding & Pick<Field, 'name' | 'columns' | 'width' | 'owner'> {
  return { name, columns: [name], width, owner: findOwner(table, name), ...buildEncoding(encoding, name) };
}

function findOwner(table: EmbeddedOptions['table'], field: string): string {
  if (typeof table === 'string') return table;
  return table !== undefined && Object.hasOwn(table, field) ? table[field]! : field;
}
