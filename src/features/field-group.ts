import { z } from 'zod';
import type { ValidationIssue, OptionsOf, Component } from '../core/component.js';
import { columnName } from '../core/tasks.js';
import { cellShape, joinCells, type CellOptions } from './cells.js';
import type { Field } from './feature.js';

/** A field with options of its own, beside the column that it is made of. */
type FieldEntry = Readonly<Record<string, unknown>>;

/** The key under which a field with options of its own names its column, and what stands there. */
interface EntryColumn<Column> {
  readonly key: string;
  readonly schema: z.ZodType<Column>;
  /** What is said where neither stands there. */
  readonly expected?: string;
}

const oneColumn: EntryColumn<string> = { key: 'name', schema: columnName.describe('Column of the data') };

/**
 * A feature type whose groups list fields. What may be said of a field is said for its group, or for the field alone.
 */
export interface FieldGroup<Name extends string, Shape extends z.ZodRawShape, Column> {
  readonly name: Name;
  readonly summary: string;
  /** Of a field. */
  options(): Shape;
  /** Options that take each other's place: where a field has one of them, its group's others do not count. */
  readonly either?: readonly (keyof Shape & string)[];
  /** What the types of the options cannot say; `names` are those of all fields of the group. */
  check?(options: OptionsOf<Shape>, names: readonly string[]): Iterable<ValidationIssue>;
  /** What a column becomes. */
  build(column: Column, options: OptionsOf<Shape>): readonly Field[];
}

/** A group as it was parsed, as far as it is known here. */
interface GroupOptions<Column> extends CellOptions {
  readonly fields: readonly (Column | FieldEntry)[];
}

/** What a config says about a group: options, and fields that may have their own. */
type GroupShape<Shape extends z.ZodRawShape, Column> = Shape &
  typeof cellShape & { readonly fields: z.ZodType<readonly (Column | FieldEntry)[]> };

/** A feature type whose fields are made of one column each. */
export function defineFieldGroup<const Name extends string, Shape extends z.ZodRawShape>(
  group: FieldGroup<Name, Shape, string>,
): Component<Name, GroupShape<Shape, string>, [], readonly Field[]> {
  return defineColumnGroup(group, oneColumn);
}

/** A feature type whose fields are made of what `column` says. */
export function defineColumnGroup<const Name extends string, Shape extends z.ZodRawShape, Column>(
  group: FieldGroup<Name, Shape, Column>,
  column: EntryColumn<Column>,
): Component<Name, GroupShape<Shape, Column>, [], readonly Field[]> {
  const isReplaced = (key: string, said: FieldEntry): boolean =>
    group.either?.includes(key) === true && group.either.some((other) => said[other] !== undefined);

  /**
   * The columns of a group in their order, each with what counts for it. The schema has seen to it that the types are
   * right.
   */
  const columnsOf = (
    options: GroupOptions<Column>,
  ): readonly { readonly of: Column; readonly said: FieldEntry | undefined; readonly options: OptionsOf<Shape> }[] =>
    options.fields.map((each) => {
      if (!isEntry(each)) return { of: each, said: undefined, options: options as unknown as OptionsOf<Shape> };
      const shared = Object.fromEntries(Object.entries(options).filter(([key]) => !isReplaced(key, each)));
      return { of: each[column.key] as Column, said: each, options: { ...shared, ...each } as OptionsOf<Shape> };
    });

  const part = {
    name: group.name,
    summary: group.summary,
    options() {
      const shape = { ...group.options(), ...cellShape };
      const own = Object.fromEntries(
        Object.entries(shape).map(([key, schema]) => [key, optional(schema as z.ZodType)]),
      );
      const entry = z.strictObject({ [column.key]: column.schema, ...own });
      const fields = z
        .array(z.union([column.schema, entry], column.expected))
        .min(1)
        .describe(`Columns of the data; a map sets options for one, as in { ${column.key}: …, … }`);
      return { fields, ...shape };
    },

    *check(options: GroupOptions<Column>) {
      const columns = columnsOf(options);
      const names = columns.map(({ of }) => String(of));
      const shared = columns.find(({ said }) => said === undefined);
      if (shared !== undefined) yield* group.check?.(shared.options, names) ?? [];
      for (const [i, { said, options: all }] of columns.entries()) {
        if (said === undefined) continue;
        for (const { path, message } of group.check?.(all, names) ?? []) {
          // What the group said may be told already.
          const isOwn = path.length === 0 || said[String(path[0])] !== undefined;
          if (isOwn || shared === undefined) yield { path: isOwn ? ['fields', i, ...path] : path, message };
        }
      }
    },

    build: (options: GroupOptions<Column>) =>
      columnsOf(options).flatMap(({ of, said = {}, options: all }) => {
        const cells = joinCells(options, said);
        return group.build(of, all).map((field): Field => ({ ...field, cells }));
      }),
  };
  // Types cannot say that a shape with an option more is that shape.
  return part as unknown as Component<Name, GroupShape<Shape, Column>, [], readonly Field[]>;
}

/** Options of single fields, without what has no say in how they are encoded. */
export function entriesWithout(fields: readonly unknown[], key: string): readonly unknown[] {
  return fields.map((each) =>
    isEntry(each) ? Object.fromEntries(Object.entries(each).filter(([option]) => option !== key)) : each,
  );
}

/** Whether something in a list of fields has options of its own. */
export function isEntry(field: unknown): field is FieldEntry {
  return typeof field === 'object' && field !== null && !Array.isArray(field);
}

/** The schema without its default, with what is said of it. */
function optional(schema: z.ZodType): z.ZodType {
  // What a default is taken from is a schema of zod's outer kind, as everything is that a part says.
  const bare =
    schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
      ? (schema.unwrap() as z.ZodType).optional()
      : schema.optional();
  return schema.description === undefined ? bare : bare.register(z.globalRegistry, { description: schema.description });
}
