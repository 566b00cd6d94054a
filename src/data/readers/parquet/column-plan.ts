import type { SchemaElement, SchemaTree } from 'hyparquet';
import { leafType, type LeafType } from './leaf-type.js';

/** A leaf of the schema that is read. */
export interface Leaf {
  readonly path: readonly string[];
  readonly element: SchemaElement;
  readonly type: LeafType;
  /** Definition level of a value that is not null. */
  readonly definition: number;
  readonly isRepeated: boolean;
}

/** Reading of a column: one value per row, or a list of items, each an id or an id and a weight. */
export type ColumnPlan = { readonly name: string; /** For errors. */ readonly type: string } & (
  | { readonly kind: 'cell'; readonly leaf: Leaf }
  | {
      readonly kind: 'items';
      readonly ids: Leaf;
      readonly weights?: Leaf;
      /** Definition level of an item that exists, even if it is null. */ readonly item: number;
    }
);

/** A column whose type is not supported. */
export interface Unreadable {
  readonly type: string;
  /** What the user can do. */
  readonly fix: string;
}

const ID_NAMES = ['id', 'key'];
const WEIGHT_NAMES = ['weight', 'value'];

/**
 * Plans the reading of a column of the schema; lists follow the rules of
 * https://github.com/apache/parquet-format/blob/master/LogicalTypes.md.
 */
export function columnPlan(column: SchemaTree): ColumnPlan | Unreadable {
  const name = column.element.name;
  if (column.element.logical_type?.type === 'VARIANT')
    return unreadable('variant', 'cast it to string or to the contained type');
  const list = listOf(column);
  if (list === undefined) {
    if (column.children.length > 0)
      return unreadable(typeName(column), 'write each of its fields as a separate column');
    const leaf = leafOf(column, levelOf(column), false);
    return 'fix' in leaf ? leaf : { kind: 'cell', name, type: leaf.type.name, leaf };
  }
  const { element, isMap, item } = list;
  const type = typeName(column);
  const level = element === list.repeated ? item : item + levelOf(element);
  if (element.children.length === 0 && (element === list.repeated || !isRepeated(element))) {
    const ids = leafOf(element, level, true);
    return 'fix' in ids ? unreadable(type, ids.fix) : { kind: 'items', name, type, ids, item };
  }
  const [first, second, third] = element.children;
  if (element !== list.repeated && listOf(element) !== undefined)
    return unreadable(type, 'flatten it: a bag is one list per row');
  const pair = isMap
    ? { id: first, weight: second }
    : { id: byName(element, ID_NAMES), weight: byName(element, WEIGHT_NAMES) };
  const children = [pair.id, pair.weight];
  if (
    pair.id === undefined ||
    pair.weight === undefined ||
    third !== undefined ||
    children.some((child) => child!.children.length > 0 || isRepeated(child!))
  ) {
    return unreadable(type, `write a list of ids, or of structs with the fields ${ID_NAMES[0]} and ${WEIGHT_NAMES[0]}`);
  }
  const ids = leafOf(pair.id, level + levelOf(pair.id), true);
  const weights = leafOf(pair.weight, level + levelOf(pair.weight), true);
  if ('fix' in ids || 'fix' in weights)
    return unreadable(type, 'write ids as integers or strings, and weights as numbers');
  if (!isNumeric(weights))
    return unreadable(type, 'cast its weights to numbers, or write a list of ids without weights');
  return { kind: 'items', name, type, ids, weights, item };
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

function leafOf(node: SchemaTree, definition: number, repeated: boolean): Leaf | Unreadable {
  const type = leafType(node.element);
  if (typeof type === 'string') return unreadable(type, 'cast it to string or to a number');
  return { path: node.path, element: node.element, type, definition, isRepeated: repeated };
}

function unreadable(type: string, fix: string): Unreadable {
  return { type, fix };
}

function isNumeric({ element, type }: Leaf): boolean {
  return type.name.startsWith('decimal') || (type.number !== undefined && element.type !== 'BOOLEAN');
}

function byName({ children }: SchemaTree, names: readonly string[]): SchemaTree | undefined {
  return children.find(({ element }) => names.includes(element.name));
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
