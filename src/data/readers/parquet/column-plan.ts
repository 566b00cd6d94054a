import type { SchemaElement, SchemaTree } from 'hyparquet';
import type { ParquetSchema } from '../cell-file.js';
import { leafType, type LeafType } from './leaf-type.js';
import { storedType, type Stored } from './values.js';

/** A leaf of the schema that is read. */
export interface Leaf {
  readonly path: readonly string[];
  readonly stored: Stored;
  readonly type: LeafType;
  /** Definition level of a value that is not null. */
  readonly definition: number;
  /** Definition level of an item of a list that exists, even if it is null; 0 for a leaf of single values. */
  readonly item: number;
  /** Definition level of a value of an item that is a list, even if it is null; undefined for other leaves. */
  readonly inner?: number | undefined;
  /** Lists that it is in: 0 for single values, 2 for values of items that are lists. */
  readonly repetition: 0 | 1 | 2;
}

/** Reading of a column: one value per row, or a list of items. */
export interface ColumnPlan {
  readonly name: string;
  /** Type that errors print. */
  readonly type: string;
  readonly isList: boolean;
  /** The values; or the ids of items, and their weights if they have any. */
  readonly leaves: readonly Leaf[];
}

/** Nodes above the items of a list. */
const LIST_NODES: readonly SchemaElement[] = [
  { name: '', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
];

/** Returns the schema of the values of a column; undefined for lists of pairs and of lists, whose values are texts. */
export function valueSchema({ isList, leaves: [leaf, weights] }: ColumnPlan): ParquetSchema | undefined {
  if (weights !== undefined || leaf!.repetition === 2) return undefined;
  const { node } = leaf!.type;
  return isList ? [...LIST_NODES, { ...node, name: 'element' }] : [node];
}

/** A column whose type is not supported. */
export interface Unreadable {
  readonly type: string;
  /** The correction that a user can make. */
  readonly fix: string;
}

const CAST = 'cast it to string or to a number';
const ID_NAMES = ['id', 'key'];
const WEIGHT_NAMES = ['weight', 'value'];
const WRITE_PAIRS = `write a list of ids, or of structs with the fields ${ID_NAMES[0]} and ${WEIGHT_NAMES[0]}`;

/**
 * Plans the reading of a column of the schema; lists follow the rules of
 * https://github.com/apache/parquet-format/blob/master/LogicalTypes.md.
 */
export function columnPlan(column: SchemaTree): ColumnPlan | Unreadable {
  const { name, logical_type: logical } = column.element;
  const type = typeName(column);
  const plan = (isList: boolean, leaves: readonly (Leaf | undefined)[], fix = CAST): ColumnPlan | Unreadable =>
    leaves.every((leaf) => leaf !== undefined) ? { name, type, isList, leaves } : { type, fix };
  if (logical?.type === 'VARIANT') return { type, fix: 'cast it to string or to the contained type' };
  const list = listOf(column);
  if (list === undefined)
    return column.children.length > 0
      ? { type, fix: 'write each of its fields as a separate column' }
      : plan(false, [leafOf(column, levelOf(column))]);
  const { repeated, element, item } = list;
  const level = element === repeated ? item : item + levelOf(element);
  if (element.children.length === 0 && (element === repeated || !isRepeated(element)))
    return plan(true, [leafOf(element, level, item)]);
  if (element !== repeated && listOf(element) !== undefined) return nestedPlan(name, type, element, item);
  const { children } = element;
  const pair = list.isMap ? children : [ID_NAMES, WEIGHT_NAMES].map((names) => byName(children, names));
  if (pair.length !== 2 || children.length > 2 || !pair.every((child) => child !== undefined && isSingle(child)))
    return { type, fix: list.isMap || children.length === 0 ? WRITE_PAIRS : nameMember(column) };
  const [ids, weights] = pair.map((child) => leafOf(child!, level + levelOf(child!), item));
  if (ids !== undefined && weights !== undefined && !isNumeric(weights))
    return { type, fix: 'cast its weights to numbers, or write a list of ids without weights' };
  return plan(true, [ids, weights], 'write ids as integers or strings, and weights as numbers');
}

/** Lists the names of the members of a list of structs, such as `clicks.item`; none for another column. */
export function listMembers(column: SchemaTree): readonly string[] {
  const children = listOf(column)?.element.children ?? [];
  return children
    .filter((child) => isSingle(child) || listOf(child) !== undefined)
    .map((child) => memberName(column, child));
}

/** Plans the reading of a member of a list of structs as a list. */
export function memberPlan(column: SchemaTree, name: string): ColumnPlan | Unreadable {
  const { repeated, element, item } = listOf(column)!;
  const child = element.children.find((each) => memberName(column, each) === name)!;
  const level = element === repeated ? item : item + levelOf(element);
  const type = `list<${typeName(child)}>`;
  if (listOf(child) !== undefined) return nestedPlan(name, type, child, item, level);
  const leaf = leafOf(child, level + levelOf(child), item);
  return leaf === undefined ? { type, fix: CAST } : { name, type, isList: true, leaves: [leaf] };
}

/**
 * Plans the reading of items that are lists.
 * @param node a list
 * @param item definition level of an item that exists
 * @param above definition level of what contains the list; default: the level of the item
 */
function nestedPlan(name: string, type: string, node: SchemaTree, item: number, above = item): ColumnPlan | Unreadable {
  const { repeated, element, item: levels } = listOf(node)!;
  const isLeaf = element.children.length === 0 && (element === repeated || !isRepeated(element));
  const inner = above + levels;
  const leaf = isLeaf ? leafOf(element, element === repeated ? inner : inner + levelOf(element), item) : undefined;
  if (leaf === undefined) return { type, fix: 'write its items as lists of strings or of integers' };
  return { name, type, isList: true, leaves: [{ ...leaf, inner, repetition: 2 }] };
}

function nameMember(column: SchemaTree): string {
  const [member] = listMembers(column);
  return member === undefined ? WRITE_PAIRS : `read a member, such as ${member}; or ${WRITE_PAIRS}`;
}

function memberName(column: SchemaTree, member: SchemaTree): string {
  return `${column.element.name}.${member.element.name}`;
}

/** Returns a node as a list: the repeated node, the element, and the definition level of a (null) element. */
function listOf(
  column: SchemaTree,
):
  | { readonly repeated: SchemaTree; readonly element: SchemaTree; readonly isMap: boolean; readonly item: number }
  | undefined {
  const above = levelOf(column);
  if (isRepeated(column)) return { repeated: column, element: column, isMap: false, item: above };
  const { converted_type: converted, logical_type: logical } = column.element;
  const isMap = converted === 'MAP' || converted === 'MAP_KEY_VALUE' || logical?.type === 'MAP';
  const isList = converted === 'LIST' || logical?.type === 'LIST';
  const [repeated, second] = column.children;
  if ((!isMap && !isList) || repeated === undefined || second !== undefined || !isRepeated(repeated)) return undefined;
  const item = above + 1;
  if (isMap) return { repeated, element: repeated, isMap, item };
  const only = repeated.children.length === 1 ? repeated.children[0] : undefined;
  const { name } = repeated.element;
  const isElement = only === undefined || name === 'array' || name === `${column.element.name}_tuple`;
  return { repeated, element: isElement ? repeated : only, isMap, item };
}

/** Returns a leaf; undefined for a type that has no text. */
function leafOf({ element, path }: SchemaTree, definition: number, item?: number): Leaf | undefined {
  const type = leafType(element);
  if (typeof type === 'string') return undefined;
  return {
    path,
    stored: storedType(element),
    type,
    definition,
    item: item ?? 0,
    repetition: item === undefined ? 0 : 1,
  };
}

function isNumeric({ stored, type }: Leaf): boolean {
  return type.name.startsWith('decimal') || (type.number !== undefined && stored.type !== 'BOOLEAN');
}

function byName(children: readonly SchemaTree[], names: readonly string[]): SchemaTree | undefined {
  return children.find(({ element }) => names.includes(element.name));
}

function isSingle(node: SchemaTree): boolean {
  return node.children.length === 0 && !isRepeated(node);
}

function isRepeated({ element }: SchemaTree): boolean {
  return element.repetition_type === 'REPEATED';
}

/** Returns what a node adds to the definition level. */
function levelOf({ element }: SchemaTree): number {
  return element.repetition_type === 'REQUIRED' ? 0 : 1;
}

/** Formats a type: list<struct<id: int64, weight: float>>. */
function typeName(node: SchemaTree): string {
  const list = listOf(node);
  if (list === undefined) return bareName(node);
  if (list.isMap) return `map<${list.element.children.map(typeName).join(', ')}>`;
  return `list<${list.element === list.repeated ? bareName(list.element) : typeName(list.element)}>`;
}

/** Formats the type of a node as if it did not repeat. */
function bareName({ element, children }: SchemaTree): string {
  if (children.length > 0)
    return `struct<${children.map((child) => `${child.element.name}: ${typeName(child)}`).join(', ')}>`;
  const type = leafType(element);
  return typeof type === 'string' ? type : type.name;
}
