import { didYouMean, joined, quoted } from '../core/errors.js';
import type { ValidationIssue } from '../core/component.js';
import { hasTable, type Field } from './feature.js';
import { isEntry } from './field-group.js';
import { featureTypes, type FeatureSpec } from './feature-types.js';
import { takesLists } from './kinds/kinds.js';

/** A field with its position in the config. */
interface Placed {
  readonly field: Field;
  readonly group: string;
  readonly index: number;
}

/**
 * Validates features across groups: unique fields, no labels among them, and compatible fields of shared tables.
 * @param groups the config section `features`
 */
export function* checkFeatures(
  groups: Readonly<Record<string, FeatureSpec>>,
  labels: readonly string[],
): Generator<ValidationIssue> {
  if (Object.keys(groups).length === 0) yield { path: ['features'], message: 'expected at least one feature group' };
  const placed = Object.entries(groups).flatMap(([group, spec]) =>
    featureTypes.build(spec).map((field): Placed => ({ field, group, index: field.entry! })),
  );
  const byName = new Map<string, Placed>();
  for (const { field, group, index } of placed) {
    const path = ['features', group, 'fields', index];
    const label = field.columns.find((column) => labels.includes(column));
    const other = byName.get(field.name);
    if (label !== undefined)
      yield { path, message: `column '${label}' is a label and would leak the answer; remove it from features` };
    else if (other !== undefined)
      yield { path, message: `${formatName(field)} is already a feature, in group '${other.group}'; remove one` };
    byName.set(field.name, { field, group, index });
  }
  for (const one of placed) if (one.field.owner !== one.field.name) yield* checkShared(one, byName, groups[one.group]!);
}

/** Requires that the fields of all groups read declared side tables. */
export function* checkTables(
  groups: Readonly<Record<string, FeatureSpec>>,
  declared: readonly string[],
): Generator<ValidationIssue> {
  for (const [group, spec] of Object.entries(groups))
    for (const { computed, entry } of featureTypes.build(spec))
      for (const { table } of computed?.lookups ?? [])
        if (!declared.includes(table))
          yield {
            path: ['features', group, 'fields', entry!],
            message: joined(
              `expected a table of data.lookups, found ${quoted(table)}`,
              didYouMean(table, declared) ?? `add data.lookups.${table}: { file: …, key: … }`,
            ),
          };
}

function formatName({ name, columns }: Field): string {
  return columns.length === 1 && columns[0] === name ? `column '${name}'` : `'${name}'`;
}

/** Returns whether a field has a composition that computes the embedding of another field. */
function isPartOf(composition: Field['composition'], name: string, owner: Field): boolean {
  if (composition === undefined) return false;
  return (composition.kind === 'project' ? name : composition.field) === owner.name;
}

/** Requires that a field has the width and the encoding of the field whose table it shares. */
function* checkShared(
  { field, group, index }: Placed,
  byName: ReadonlyMap<string, Placed>,
  spec: FeatureSpec,
): Generator<ValidationIssue> {
  const { name, width, encodedAs } = field;
  const owner = byName.get(field.owner)?.field;
  const entry = spec.fields[index];
  const at = (option: string, ...path: readonly string[]): readonly PropertyKey[] => [
    'features',
    group,
    ...(isEntry(entry) && option in entry ? ['fields', index] : []),
    option,
    ...path,
  ];
  const isByField = 'table' in spec && typeof spec.table === 'object' && !(isEntry(entry) && 'table' in entry);
  const isLikeOwner = field.isLikeOwner === true;
  const tablePath = isByField ? at('table', name) : at(isLikeOwner ? 'target' : 'table');
  const candidates = [...byName.values()]
    .filter((one) => hasTable(one.field) && one.field.owner === one.field.name)
    .map((one) => one.field.name);
  if (owner === undefined) {
    yield {
      path: tablePath,
      message: joined(
        `expected a field with a table, found ${quoted(field.owner)}`,
        didYouMean(field.owner, candidates),
      ),
    };
  } else if (!hasTable(owner) || (isLikeOwner && 'sequence' in owner)) {
    yield { path: tablePath, message: `'${owner.name}' is a ${owner.kind}, which has no table` };
  } else if (
    [...byName.values()].some(({ field: { composition, name: part } }) => isPartOf(composition, part, owner))
  ) {
    yield { path: tablePath, message: `the table of '${owner.name}' is compressed, so it cannot be shared` };
  } else if (!isLikeOwner && owner.owner !== owner.name) {
    yield { path: tablePath, message: `'${owner.name}' shares the table of '${owner.owner}'; use '${owner.owner}'` };
  } else if (!isLikeOwner) {
    const ownersEncoding = takesLists(field) ? (owner.itemsEncodedAs ?? owner.encodedAs) : owner.encodedAs;
    if (width !== owner.width)
      yield {
        path: at('width'),
        message:
          `'${name}' has width ${width}, but shares the table of '${owner.name}' with width ${owner.width}; ` +
          'set the same width',
      };
    if (encodedAs !== ownersEncoding)
      yield {
        path: at('encoding'),
        message:
          `'${name}' is encoded as ${encodedAs}, but shares the table of '${owner.name}', ` +
          `encoded as ${ownersEncoding}; set the same encoding`,
      };
  }
}
