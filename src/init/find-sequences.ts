import type { InspectedColumn } from './column-kind.js';
import { splitItems, type ListNotation } from './list-items.js';

/** Rows that are compared at most. */
const MAX_ROWS = 20_000;
/** Earliest and latest times in seconds since 1970 that are recognized: 2001 to 2065. */
const [FIRST_TIME, LAST_TIME] = [1e9, 3e9];

/** Items of a list as features: ids, possibly of a candidate; numbers; or times, which become ages. */
export type ItemKind =
  | { readonly is: 'id'; readonly target: string | undefined }
  | { readonly is: 'number'; readonly areNegative: boolean }
  | { readonly is: 'time'; readonly until: string };

/** Lists that have the same number of items in every row. */
export interface AlignedLists {
  readonly separator: string | undefined;
  readonly lists: readonly { readonly column: InspectedColumn; readonly items: ItemKind }[];
  /** Whether the first item is the newest, by the times of items. */
  readonly isNewestFirst: boolean;
}

/**
 * Finds sequences: lists without weights of which one has the values of an id, and the lists that are aligned with it.
 * @param tables id by list, if it has the values of that id
 */
export function findSequences(
  features: readonly InspectedColumn[],
  tables: ReadonlyMap<string, string>,
): readonly AlignedLists[] {
  const isId = (name: string | undefined): boolean =>
    features.some(({ column, kind }) => column.name === name && kind.is === 'id');
  const groups = new Map<string, InspectedColumn[]>();
  for (const each of features) {
    const key = describeLengths(each);
    if (key !== undefined) groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  const times = features.find(({ kind }) => kind.is === 'time' && kind.format === 'seconds')?.column.name;
  return [...groups.values()]
    .filter((columns) => columns.some(({ column }) => isId(tables.get(column.name))))
    .map((columns) => {
      const lists = columns.map((column) => {
        const target = tables.get(column.column.name);
        return { column, items: detectItems(column, isId(target) ? target : undefined, times) };
      });
      const clock = lists.find(({ items }) => items.is === 'time')?.column;
      return {
        separator: notationOf(columns[0]!)!.items,
        lists,
        isNewestFirst: clock !== undefined && isFalling(clock),
      };
    });
}

function notationOf({ kind }: InspectedColumn): ListNotation | undefined {
  return kind.is === 'list' ? kind : undefined;
}

/** Returns a text that lists with equal lengths and separators share; undefined without lists, or with weights. */
function describeLengths(inspected: InspectedColumn): string | undefined {
  const { column } = inspected;
  const notation = notationOf(inspected);
  if (notation === undefined || hasWeights(inspected, notation)) return undefined;
  const lengths = column.values.map((text) => splitItems(text.trim(), { ...notation, weight: undefined }).length);
  const ofRows = Array.from(column.codes.subarray(0, MAX_ROWS), (code) => lengths[code]!);
  return [notation.items ?? 'JSON', ...ofRows].join();
}

function hasWeights({ column }: InspectedColumn, { items, weight }: ListNotation): boolean {
  const marks = items === undefined ? ['[[', '{'] : [weight ?? ':'];
  return column.values.some((text) => marks.some((mark) => text.replaceAll(' ', '').includes(mark)));
}

function detectItems(
  { column, kind }: InspectedColumn,
  target: string | undefined,
  until: string | undefined,
): ItemKind {
  if (target !== undefined) return { is: 'id', target };
  const items = column.values.slice(0, MAX_ROWS).flatMap((text) => splitItems(text.trim(), kind as ListNotation));
  const numbers = items.map(Number);
  if (numbers.some((number) => !Number.isFinite(number))) return { is: 'id', target };
  const areTimes = numbers.every((number) => number >= FIRST_TIME && number < LAST_TIME);
  if (areTimes && until !== undefined) return { is: 'time', until };
  const isNumber = areTimes || items.some((item) => item.includes('.'));
  return isNumber ? { is: 'number', areNegative: numbers.some((number) => number < 0) } : { is: 'id', target };
}

/** Returns whether times fall within lists. */
function isFalling({ column, kind }: InspectedColumn): boolean {
  return column.values.every((text) => {
    const times = splitItems(text.trim(), kind as ListNotation).map(Number);
    return times.every((time, i) => i === 0 || time <= times[i - 1]!);
  });
}
