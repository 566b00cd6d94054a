import { listFieldKeys, type EncodingSpec } from '../features/encodings/encodings.js';
import { featureTypes, type FeatureSpec } from '../features/feature-types.js';
import { findInputs } from '../graph/features.js';

/**
 * What a config can leave out: an entry of a group's list of fields, which may be several columns of the model's input.
 */
export interface ConfigField {
  /** What its first field is called. */
  readonly name: string;
  /** Of the config, and the place in its list. */
  readonly group: string;
  readonly index: number;
  /** All that are made of it: a number, and whether it is missing. */
  readonly fields: readonly string[];
  /** The field whose table it looks into: itself, or another. */
  readonly owner: string;
}

/** The fields of a config, in its order. */
export function configFields(groups: Readonly<Record<string, FeatureSpec>>): readonly ConfigField[] {
  return Object.entries(groups).flatMap(([group, spec]) =>
    (spec.fields as readonly unknown[]).map((entry, index): ConfigField => {
      // A group of one field is a group of the same type.
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

/** Where options of a group name a field: paths below the group. */
export function namedIn(spec: FeatureSpec, field: string): readonly (readonly string[])[] {
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

/** Parts of a model, by their paths in the config, that would read no feature any more without some fields. */
export function leftWithout(
  model: unknown,
  all: readonly ConfigField[],
  left: readonly ConfigField[],
): readonly string[] {
  const isThere = (group: string): boolean => all.some((field) => field.group === group && !left.includes(field));
  return [...findInputs(model, ['model'])]
    .filter(({ groups }) => !groups.some(isThere))
    .map(({ path }) => path.join('.'));
}
