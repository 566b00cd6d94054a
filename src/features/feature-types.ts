import { UserError } from '../core/errors.js';
import {
  withEmbeddingParts,
  withWidePart,
  type InputColumns,
  type InputLayout,
  type WidePart,
} from '../tables/layout.js';
import { registry } from '../core/component.js';
import type { SequenceColumn } from '../sequences/layout.js';
import * as all from './all.js';
import { joinCells, type CellOptions } from './cells.js';
import { cleanEncoder, withCells } from './clean-field.js';
import { hasTable, type EncodedField, type Encoder, type Field } from './feature.js';
import { entriesWithout } from './field-group.js';
import { inputSource } from './kinds/kinds.js';
import type { EventLogs } from './event-log.js';
import { loggedFields } from './logged-items.js';
import type { LookupTables } from './lookups.js';
import type { TokenNumbering } from './vocabulary/token-numbers.js';

/** Every feature type by its name in the config, under the key `type`. */
export const featureTypes = registry(all, 'type');
export type FeatureSpec = Parameters<typeof featureTypes.build>[0];

/** Fitted parameters by field; JSON, except string tables. Fields that fit nothing are absent. */
export type Fitted = Readonly<Record<string, unknown>>;

/**
 * Builds all fields of a config's groups, in config order, which is the order of the model's input. Fields that share a
 * table have the same encoding.
 * @param cells cleaning options of all columns
 * @param tables side tables; fields that read one cannot be read without it
 * @param logs event logs that have the items of sequences; other items are lists of the rows
 * @param logs event logs whose events the items of sequences are; other items are lists of the rows
 */
export function createFields(
  groups: readonly FeatureSpec[],
  cells: CellOptions = {},
  tables?: LookupTables,
  logs: EventLogs = new Map(),
): readonly Field[] {
  const fields = groups.flatMap((group) => featureTypes.build(group));
  const byName = new Map(fields.map((field) => [field.name, field]));
  const owned = fields.map((field) => {
    const owner = findOwner(field, byName);
    const { encodedAs, meaning, startFit, encoder, grow, growth } = owner;
    const width = field.isLikeOwner === true ? owner.width : field.width;
    const shared = { owner: owner.name, width, encodedAs, meaning, startFit, encoder, grow, growth };
    const own = { ...field, ...shared, ...(tables && { tables }) };
    return withCells(own, joinCells(cells, field.cells ?? {}));
  });
  return loggedFields(owned, logs, cells);
}

/** Returns the field that has the table of a field. */
function findOwner({ owner: name, isLikeOwner }: Field, byName: ReadonlyMap<string, Field>): Field {
  const owner = byName.get(name)!;
  return isLikeOwner === true ? byName.get(owner.owner)! : owner;
}

/** Options of a table, which do not affect encoded values. */
const TABLE_OPTIONS = ['width', 'initFrom'];

/**
 * Returns the options of a group and of its fields that may affect encoded values: all except the options of the table.
 */
export function encodingOptions(group: FeatureSpec): Readonly<Record<string, unknown>> {
  const options = Object.entries(group).filter(([key]) => !TABLE_OPTIONS.includes(key));
  return Object.fromEntries(
    options.map(([key, value]) => [key, key === 'fields' ? entriesWithout(group.fields, TABLE_OPTIONS) : value]),
  );
}

/**
 * Builds the encoders of fields from fitted parameters.
 * @param numbersOf see `Encoding.encoder`; undefined for a field whose vocabulary does not grow
 * @throws UserError (checkpoint) if `fitted` does not match these fields
 */
export function encodedFields(
  fields: readonly Field[],
  fitted: Fitted,
  numbersOf: (owner: string) => TokenNumbering | undefined = () => undefined,
): readonly EncodedField[] {
  const encoders = new Map<string, Encoder>();
  for (const { name, owner, encoder } of fields) {
    if (owner !== name) continue;
    try {
      encoders.set(name, encoder(Object.hasOwn(fitted, name) ? fitted[name] : undefined, numbersOf(name)));
    } catch (error) {
      const problem = {
        where: 'features.json',
        key: name,
        message: 'does not match this field of the config',
        fix: 'use another checkpoint',
      };
      throw new UserError('checkpoint', [problem], { cause: error });
    }
  }
  return fields.map((field) => ({ ...field, ...cleanEncoder(encoders.get(field.owner)!, field) }));
}

/** Options of a layout. */
interface LayoutOptions {
  /** The config section `features`, whose groups a model may select. */
  readonly groups?: Readonly<Record<string, FeatureSpec>>;
  /** Names of the embedding parts that the model requires. */
  readonly embeddingParts?: readonly string[];
  /** The wide part, if any. */
  readonly wide?: WidePart | undefined;
}

/** Computes the columns of the fields in the model's input. Before encoding, tables have 0 rows. */
export function computeLayout(
  fields: readonly (Field & Partial<Pick<Encoder, 'rows' | 'initialRows' | 'usedRows'>>)[],
  { groups = {}, embeddingParts, wide }: LayoutOptions = {},
): InputLayout {
  const groupOf = new Map(
    Object.entries(groups).flatMap(([group, spec]) =>
      featureTypes.build(spec).map(({ name }) => [name, group] as const),
    ),
  );
  let width = 0;
  const columns = fields.flatMap((field): readonly InputColumns[] => {
    const source = inputSource(field);
    if (source === undefined) return [];
    const group = groupOf.get(field.name);
    const offset = width;
    width += field.width;
    const place = { field: field.name, ...(group !== undefined && { group }), offset, width: field.width };
    const { composition } = field;
    return [{ ...place, ...(composition !== undefined && { composition }), ...source }];
  });
  const tables = fields
    .filter((field) => hasTable(field) && field.owner === field.name)
    .map(({ name, rows = 0, initialRows, usedRows, width, initFrom }) => ({
      name,
      rows,
      width,
      ...(initialRows !== undefined && { initialRows }),
      ...(usedRows !== undefined && { usedRows }),
      ...(initFrom?.trainable === false && { isFrozen: true as const }),
    }));
  const sequences = layOutSequences(fields, groupOf);
  const own: InputLayout = { width, columns, tables, ...(sequences.length > 0 && { sequences }) };
  const features = withEmbeddingParts(own, embeddingParts?.length ?? 1);
  return wide === undefined ? features : withWidePart(features, wide);
}

function layOutSequences(
  fields: readonly Field[],
  groupOf: ReadonlyMap<string, string>,
): NonNullable<InputLayout['sequences']> {
  const items = fields.filter((field) => 'sequence' in field);
  const names = new Set(items.map(({ sequence }) => sequence.name));
  return [...names].map((name) => {
    const own = items.filter(({ sequence }) => sequence.name === name && sequence.countsOf === undefined);
    const { maxItems, isWeighted, encoders } = own[0]!.sequence;
    const group = groupOf.get(own[0]!.name);
    return {
      name,
      ...(group !== undefined && { group }),
      maxItems,
      isWeighted,
      encoders,
      fields: own.map((field): SequenceColumn => {
        const column = { field: field.name, width: field.width, target: field.sequence.target };
        if (!hasTable(field)) return { ...column, kind: 'number', ...(field.sequence.areAges && { areAges: true }) };
        const { nested } = field.sequence;
        return { ...column, kind: 'id', table: field.owner, ...(nested !== undefined && { nested }) };
      }),
    };
  });
}

/** Returns the memory of the fields' vocabularies in bytes. */
export function vocabularyBytes(fields: readonly EncodedField[]): number {
  return fields.reduce((sum, { name, owner, vocabularyBytes: bytes = 0 }) => sum + (owner === name ? bytes : 0), 0);
}
