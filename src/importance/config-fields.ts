import { listFieldKeys, type EncodingSpec } from '../features/encodings/encodings.js';
import { featureTypes, type FeatureSpec } from '../features/feature-types.js';
import { findInputs } from '../graph/features.js';

/** A field that a config can drop: an entry of a group's `fields`, which may become several input columns. */
export interface ConfigField {
  /** Name of its first input column. */
  readonly name: string;
  /** Its group and the index in the group's list. */
  readonly group: string;
  readonly index: number;
  /** Input columns made of it, such as a number and its missing indicator. */
  readonly fields: readonly string[];
  /** The field that owns its embedding table: itself or another. */
  readonly owner: string;
}

/** Lists the fields of a config in order. */
export function configFields(groups: Readonly<Record<string, FeatureSpec>>): readonly ConfigField[] {
  return Object.entries(groups).flatMap(([group, spec]) =>
    (spec.fields as readonly unknown[]).map((entry, index): ConfigField => {
      // A group with a single field has the same type.
      const [first, ...others] = featureTypes.build({ ...spec, fields: [entry] } as FeatureSpec);
      return {
        name: first!.name,
        group,
        index,
        fields: [first!, ...others].map(({ name }) => name),
        owner: first!.owner,
      };
    }),
  );
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
