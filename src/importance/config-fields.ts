import { listFieldKeys, type EncodingSpec } from '../features/encodings/encodings.js';
import { featureTypes, type FeatureSpec } from '../features/feature-types.js';
import type { Field } from '../features/feature.js';
import { findInputs } from '../graph/features.js';

/** What a config can drop: an entry of a group's `fields`, or all entries of a sequence, whose items are aligned. */
export interface ConfigField {
  /** Name of its first input column, or of the sequence. */
  readonly name: string;
  /** Its group and the indices in the group's list. */
  readonly group: string;
  readonly entries: readonly number[];
  /** Input columns made of it, such as a number and its missing indicator. */
  readonly fields: readonly string[];
  /** The fields that own its embedding tables: itself or others. */
  readonly owners: readonly string[];
}

/** Lists the fields of a config in order. */
export function configFields(groups: Readonly<Record<string, FeatureSpec>>): readonly ConfigField[] {
  return Object.entries(groups).flatMap(([group, spec]) => {
    const parts = new Map<string, Field[]>();
    for (const field of featureTypes.build(spec)) {
      const key = 'sequence' in field ? `sequence ${field.sequence.name}` : `entry ${field.entry}`;
      parts.set(key, [...(parts.get(key) ?? []), field]);
    }
    return [...parts.values()].map((fields): ConfigField => {
      const first = fields[0]!;
      return {
        name: 'sequence' in first ? first.sequence.name : first.name,
        group,
        entries: [...new Set(fields.map(({ entry }) => entry!))],
        fields: fields.map(({ name }) => name),
        owners: fields.map(({ owner }) => owner),
      };
    });
  });
}

/** Lists the option paths of a group that name a field. */
export function findReferences(spec: FeatureSpec, field: string): readonly (readonly string[])[] {
  const options = spec as { readonly encoding?: EncodingSpec; readonly table?: unknown };
  const paths =
    options.encoding === undefined
      ? []
      : [...listFieldKeys(options.encoding)]
          .filter(([, named]) => named === field)
          .map(([option]) => ['encoding', option, field]);
  const { table } = options;
  return typeof table === 'object' && table !== null && Object.hasOwn(table, field)
    ? [...paths, ['table', field]]
    : paths;
}

/** Lists parts of a model, by config path, that would have no input left without some fields. */
export function findPartsWithoutInput(
  model: unknown,
  all: readonly ConfigField[],
  removed: readonly ConfigField[],
): readonly string[] {
  const isThere = (group: string): boolean => all.some((field) => field.group === group && !removed.includes(field));
  return [...findInputs(model, ['model'])]
    .filter(({ groups }) => !groups.some(isThere))
    .map(({ path }) => path.join('.'));
}
