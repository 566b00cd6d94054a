import { z } from 'zod';
import { didYouMean, joined } from '../core/errors.js';
import type { ValidationIssue } from '../core/component.js';
import { columnName } from '../core/tasks.js';
import {
  buildEncoding,
  encodingOption,
  growsOnStream,
  listFieldKeys,
  type EncodingSpec,
} from './encodings/encodings.js';
import type { Encoding, Field } from './feature.js';
import { isEntry } from './field-group.js';
import { initialVectorsOption, type InitialVectors } from './init-from.js';

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
  initFrom: initialVectorsOption,
};

interface EmbeddedOptions {
  readonly width: number;
  readonly encoding: EncodingSpec;
  readonly table?: string | Readonly<Record<string, string>> | undefined;
  readonly initFrom?: InitialVectors | undefined;
}

/** Requires that every field that an option names is in the group and owns its table. */
export function* checkEmbedded(
  { encoding, table, initFrom }: EmbeddedOptions,
  fields: readonly string[],
): Generator<ValidationIssue> {
  const foreign = (field: string): string => joined('not a field of this group', didYouMean(field, fields));
  for (const [option, field] of listFieldKeys(encoding)) {
    const path = ['encoding', option, field];
    if (!fields.includes(field)) yield { path, message: foreign(field) };
    else if (findOwner(table, field) !== field)
      yield { path, message: `'${field}' shares the table of '${findOwner(table, field)}'; set it there` };
  }
  if (typeof table === 'string' && initFrom !== undefined)
    yield { path: ['initFrom'], message: `the table is that of '${table}'; set it there` };
  if (initFrom?.trainable === false && growsOnStream(encoding))
    yield { path: ['initFrom', 'trainable'], message: 'new tokens cannot be learned; set true, or remove capacity' };
  if (typeof table !== 'object') return;
  for (const field of Object.keys(table))
    if (!fields.includes(field)) yield { path: ['table', field], message: foreign(field) };
}

/** Returns the part of a field that does not depend on its type. */
export function embeddedField(
  name: string,
  { width, encoding, table, initFrom }: EmbeddedOptions,
): Encoding & Pick<Field, 'name' | 'columns' | 'width' | 'owner' | 'initFrom'> {
  const owner = findOwner(table, name);
  const vectors = initFrom !== undefined && owner === name ? { initFrom } : {};
  return { name, columns: [name], width, owner, ...vectors, ...buildEncoding(encoding, name) };
}

function findOwner(table: EmbeddedOptions['table'], field: string): string {
  if (typeof table === 'string') return table;
  return table !== undefined && Object.hasOwn(table, field) ? table[field]! : field;
}

/** Returns a group with all paths of its option `initFrom` resolved. */
export function resolveInitialVectors<Group extends object>(
  group: Group,
  resolvePath: (path: string) => string,
): Group {
  const resolved = <Of extends object>(options: Of): Of => {
    const { initFrom } = options as { readonly initFrom?: InitialVectors };
    if (initFrom === undefined) return options;
    const { file, keys } = initFrom;
    const paths = { file: resolvePath(file), ...(keys !== undefined && { keys: resolvePath(keys) }) };
    return { ...options, initFrom: { ...initFrom, ...paths } };
  };
  const { fields } = group as { readonly fields?: readonly unknown[] };
  const own = fields?.map((field) => (isEntry(field) ? resolved(field) : field));
  return { ...resolved(group), ...(own !== undefined && { fields: own }) };
}
