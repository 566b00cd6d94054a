import { isDeepStrictEqual } from 'node:util';
import { didYouMean, joined, quoted } from '../core/errors.js';
import type { ValidationIssue } from '../core/component.js';
import { hasTable, type Field, type ItemColumn } from './feature.js';
import { isEntry } from './field-group.js';
import { featureTypes, type FeatureSpec } from './feature-types.js';
import { takesLists } from './kinds/kinds.js';
import { splitLogged } from './logged-items.js';
import { itemOutputs } from './sequence-items.js';

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
  const leaks = placed.filter(({ field }) => field.columns.some((column) => labels.includes(column)));
  yield* unique(leaks.flatMap((one) => describeLeaks(one, groups[one.group]!, labels)));
  const byName = new Map<string, Placed>();
  for (const one of placed) {
    const { field, group, index } = one;
    const path = ['features', group, 'fields', index];
    const other = byName.get(field.name);
    if (!leaks.includes(one) && labels.includes(field.name))
      yield { path, message: `its name '${field.name}' is that of a label column; set another name` };
    if (!leaks.includes(one) && other !== undefined)
      yield { path, message: `${formatName(field)} is already a feature, in group '${other.group}'; remove one` };
    byName.set(field.name, one);
  }
  yield* unique(describeSequenceNames(placed));
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

/** Requires that each sequence with items of an event log reads one log, and leaves order and time to it. */
export function* checkLogs(
  groups: Readonly<Record<string, FeatureSpec>>,
  logs: Readonly<Record<string, { readonly until: string }>>,
): Generator<ValidationIssue> {
  for (const [group, spec] of Object.entries(groups))
    for (const { computed, entry } of featureTypes.build(spec)) {
      if (computed?.items === undefined) continue;
      const { items, output } = computed;
      const { column: own, lists } = items;
      const logOf = ({ name }: ItemColumn): string | undefined => splitLogged(name, Object.keys(logs))?.[0];
      const log = lists.columns.map(logOf).find((name) => name !== undefined);
      if (log === undefined) continue;
      const path = ['features', group];
      const at = [...path, 'fields', entry!];
      const { order = {}, keep = {}, aligned } = spec as SequenceKeys;
      if (logOf(own) !== log)
        yield { path: at, message: `is not in the event log '${log}', as other fields are; use one log per sequence` };
      const { until } = logs[log]!;
      if (own.until !== undefined && own.until !== until)
        yield { path: [...at, 'until'], message: `expected '${until}', the until of data.sequences.${log}` };
      if (own.nested !== undefined)
        yield {
          path: [...at, 'pooling'],
          message: 'does not apply to an event log, whose items have one value; remove it',
        };
      if (output !== itemOutputs.values(lists.columns[0]!.name)) continue;
      if (order.by !== undefined || order.newest !== 'last')
        yield {
          path: [...path, 'order'],
          message: 'does not apply to an event log, which is sorted by time; remove it',
        };
      if (aligned === false)
        yield {
          path: [...path, 'aligned'],
          message: 'does not apply to an event log, whose events are items; remove it',
        };
      const other = Object.keys(keep).find((key) => key !== 'last');
      if (lists.last === undefined || other !== undefined)
        yield {
          path: [...path, 'keep', other ?? 'last'],
          message: 'does not apply to an event log; set keep: { last: … }',
        };
    }
}

/** Options of a sequence that an event log decides. */
interface SequenceKeys {
  readonly order?: { readonly newest?: string; readonly by?: string };
  readonly keep?: object;
  readonly aligned?: boolean;
}

/** Describes the labels among the columns of a field, at the entries that name them. */
function describeLeaks(
  { field, group, index }: Placed,
  { fields }: FeatureSpec,
  labels: readonly string[],
): readonly ValidationIssue[] {
  const leaking = field.columns.filter((column) => labels.includes(column));
  return leaking.map((label) => {
    // The fields of a sequence read each other's columns.
    const named = fields.findIndex(
      (entry) => entry === label || (typeof entry === 'object' && Object.values(entry).includes(label)),
    );
    const path = ['features', group, 'fields', named < 0 ? index : named];
    return { path, message: `column '${label}' is a label and would leak the answer; remove it from features` };
  });
}

function unique(issues: readonly ValidationIssue[]): readonly ValidationIssue[] {
  return [...new Map(issues.map((issue) => [JSON.stringify(issue), issue])).values()];
}

/** Describes the sequences that have the name of a field or of a sequence of another group. */
function describeSequenceNames(placed: readonly Placed[]): readonly ValidationIssue[] {
  const groupOf = new Map<string, string>();
  for (const { field, group } of placed) if (!('sequence' in field)) groupOf.set(field.name, group);
  return placed.flatMap(({ field, group }) => {
    if (!('sequence' in field)) return [];
    const { name } = field.sequence;
    const other = groupOf.get(name) ?? group;
    groupOf.set(name, other);
    if (other === group) return [];
    const message = `its name '${name}' is that of a field or sequence of group '${other}'; set another name`;
    return [{ path: ['features', group], message }];
  });
}

function formatName({ name, columns }: Field): string {
  return columns.length === 1 && columns[0] === name ? `column '${name}'` : `'${name}'`;
}

/** Returns whether a field with a table has ids of one column, or of one computed value. */
function isTarget(field: Field): boolean {
  const { columns, computed } = field;
  return !('sequence' in field) && !('isBetweenRows' in field) && (columns.length === 1 || computed !== undefined);
}

/** Returns whether a field has the value of the column of its name, which items can be compared with as text. */
function isComparable(field: Field): boolean {
  const { name, columns, computed } = field;
  return !takesLists(field) && computed === undefined && columns.length === 1 && columns[0] === name;
}

/** Returns whether a field has a composition that computes the embedding of another field. */
function isPartOf(composition: Field['composition'], name: string, owner: Field): boolean {
  if (composition === undefined) return false;
  return ('field' in composition ? composition.field : name) === owner.name;
}

/** Requires that a field has the width and the encoding of the field whose table it shares. */
function* checkShared(
  { field, group, index }: Placed,
  byName: ReadonlyMap<string, Placed>,
  spec: FeatureSpec,
): Generator<ValidationIssue> {
  const { name } = field;
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
  } else if (!hasTable(owner)) {
    const kind = 'sequence' in owner ? 'number of a sequence' : owner.kind;
    yield { path: tablePath, message: `'${owner.name}' is a ${kind}, which has no table` };
  } else if (isLikeOwner && !isTarget(owner)) {
    yield {
      path: tablePath,
      message: `'${owner.name}' has no ids of one column, which items are compared with; name a field that has`,
    };
  } else if (
    [...byName.values()].some(({ field: { composition, name: part } }) => isPartOf(composition, part, owner))
  ) {
    yield { path: tablePath, message: `the table of '${owner.name}' is compressed, so it cannot be shared` };
  } else if (isLikeOwner) {
    if ('sequence' in field && field.sequence.isMatched) yield* checkMatched(field, group, owner, tablePath);
  } else if (owner.owner !== owner.name) {
    yield { path: tablePath, message: `'${owner.name}' shares the table of '${owner.owner}'; use '${owner.owner}'` };
  } else yield* checkLikeOwner(field, owner, at);
}

/** Requires that items can be compared, as texts, with a value of the row. */
function* checkMatched(
  field: Field,
  group: string,
  owner: Field,
  tablePath: readonly PropertyKey[],
): Generator<ValidationIssue> {
  if (!isComparable(owner)) {
    const message = `'${owner.name}' is no value of a column, which items must equal; name a categorical field of one`;
    yield { path: tablePath, message };
  } else if (!isDeepStrictEqual(field.cells, owner.cells ?? {})) {
    const message = `must clean items like '${owner.name}', which they must equal; set the same nullValues and trim`;
    yield { path: ['features', group, 'keep', 'matching'], message };
  }
}

/** Requires the width and the encoding of the owner of a table. */
function* checkLikeOwner(
  field: Field,
  owner: Field,
  at: (option: string) => readonly PropertyKey[],
): Generator<ValidationIssue> {
  const { name, width, encodedAs } = field;
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
