import { z } from 'zod';
import type { ValidationIssue, OptionsOf, Component } from '../core/component.js';
import { columnName } from '../core/tasks.js';
import { cellShape, joinCells, type CellOptions } from './cells.js';
import type { Field } from './feature.js';

/** A field with its own options. */
type FieldEntry = Readonly<Record<string, unknown>>;

/** How a field names its column, or its columns. */
interface EntryColumn<Column> {
  /** Keys of a map that name them; a field with options of its own is such a map. */
  readonly keys: z.ZodRawShape;
  /** Returns the column that a map with valid keys names. */
  read(entry: FieldEntry): Column;
  /** Schema of a field without options of its own; default: every field is a map. */
  readonly plain?: z.ZodType<Column>;
  /** Error message if a field matches neither form. */
  readonly expected?: string;
  readonly describe?: string;
}

const oneColumn: EntryColumn<string> = {
  keys: { name: columnName.describe('Column of the data') },
  // The schema guarantees its type.
  read: ({ name }) => name as string,
  plain: columnName.describe('Column of the data'),
};

/** A feature type whose groups list fields. Options may be set per group, or per field. */
export interface FieldGroup<Name extends string, Shape extends z.ZodRawShape, Column> {
  readonly name: Name;
  readonly summary: string;
  /** Options of a field. */
  options(): Shape;
  /** Mutually exclusive options: if a field sets one, the others of its group do not apply. */
  readonly either?: readonly (keyof Shape & string)[];
  /** Validates rules beyond the schema; `names` lists all fields of the group. */
  check?(options: OptionsOf<Shape>, names: readonly string[]): Iterable<ValidationIssue>;
  /** Builds the fields of a column. */
  build(column: Column, options: OptionsOf<Shape>): readonly Field[];
}

/** The options of a parsed group that are known here. */
interface GroupOptions<Column> extends CellOptions {
  readonly fields: readonly (Column | FieldEntry)[];
}

/** Schema of a group: options, and fields with optional overrides. */
export type GroupShape<Shape extends z.ZodRawShape, Column> = Shape &
  typeof cellShape & { readonly fields: z.ZodType<readonly (Column | FieldEntry)[]> };

/** Creates a feature type whose fields have one column each. */
export function defineFieldGroup<const Name extends string, Shape extends z.ZodRawShape>(
  group: FieldGroup<Name, Shape, string>,
): Component<Name, GroupShape<Shape, string>, [], readonly Field[]> {
  return defineColumnGroup(group, oneColumn);
}

/** Creates a feature type whose fields are described by `column`. */
export function defineColumnGroup<const Name extends string, Shape extends z.ZodRawShape, Column>(
  group: FieldGroup<Name, Shape, Column>,
  column: EntryColumn<Column>,
): Component<Name, GroupShape<Shape, Column>, [], readonly Field[]> {
  const isReplaced = (key: string, entry: FieldEntry): boolean =>
    group.either?.includes(key) === true && group.either.some((other) => entry[other] !== undefined);

  /** Returns the columns of a group in order, each with its effective options. The schema guarantees their types. */
  const listColumns = (
    options: GroupOptions<Column>,
  ): readonly { readonly of: Column; readonly entry: FieldEntry | undefined; readonly options: OptionsOf<Shape> }[] =>
    options.fields.map((each) => {
      if (!isEntry(each)) return { of: each, entry: undefined, options: options as unknown as OptionsOf<Shape> };
      const shared = Object.fromEntries(Object.entries(options).filter(([key]) => !isReplaced(key, each)));
      return { of: column.read(each), entry: each, options: { ...shared, ...each } as OptionsOf<Shape> };
    });

  const part = {
    name: group.name,
    summary: group.summary,
    options() {
      const shape = { ...group.options(), ...cellShape };
      const own = Object.fromEntries(
        Object.entries(shape).map(([key, schema]) => [key, optional(schema as z.ZodType)]),
      );
      const entry = z.strictObject({ ...column.keys, ...own });
      const form = Object.keys(column.keys).map((key) => `${key}: …, `);
      const fields = z
        .array(column.plain === undefined ? entry : z.union([column.plain, entry], column.expected))
        .min(1)
        .describe(column.describe ?? `Columns of the data; a map sets options for one, as in { ${form.join('')}… }`);
      return { fields, ...shape };
    },

    *check(options: GroupOptions<Column>) {
      const columns = listColumns(options);
      const names = columns.map(({ of }) => String(of));
      const shared = columns.find(({ entry }) => entry === undefined);
      if (shared !== undefined) yield* group.check?.(shared.options, names) ?? [];
      for (const [i, { entry, options: all }] of columns.entries()) {
        if (entry === undefined) continue;
        for (const { path, message } of group.check?.(all, names) ?? []) {
          // Options of the group are validated once, without repeating issues per field.
          const isOwn = path.length === 0 || entry[String(path[0])] !== undefined;
          if (isOwn || shared === undefined) yield { path: isOwn ? ['fields', i, ...path] : path, message };
        }
      }
    },

    build: (options: GroupOptions<Column>) =>
      listColumns(options).flatMap(({ of, entry: own = {}, options: all }, entry) => {
        const cells = joinCells(options, own);
        return group.build(of, all).map((field): Field => ({ ...field, cells, entry }));
      }),
  };
  // TypeScript cannot express a shape with an additional key.
  return part as unknown as Component<Name, GroupShape<Shape, Column>, [], readonly Field[]>;
}

/** Removes some options from every field that sets them. */
export function entriesWithout(fields: readonly unknown[], keys: readonly string[]): readonly unknown[] {
  return fields.map((each) =>
    isEntry(each) ? Object.fromEntries(Object.entries(each).filter(([option]) => !keys.includes(option))) : each,
  );
}

/** Returns whether an entry of a list of fields has its own options. */
export function isEntry(field: unknown): field is FieldEntry {
  return typeof field === 'object' && field !== null && !Array.isArray(field);
}

/** Removes the default of a schema and keeps its description. */
function optional(schema: z.ZodType): z.ZodType {
  // zod's default wraps a schema of the same kind as any option.
  const bare =
    schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
      ? (schema.unwrap() as z.ZodType).optional()
      : schema.optional();
  return schema.description === undefined ? bare : bare.register(z.globalRegistry, { description: schema.description });
}
