import { floatText } from '../text/float-text.js';
import { duration } from '../text/number-text.js';
import type { ExplainedItem, ExplainedSequence } from '../trained-model/explainer.js';

/** Order of items: the largest weight first, or the newest first. */
export type ItemOrder = 'weight' | 'position';

/**
 * Orders the items of a sequence. Its first encoder with weights decides; without one, the newest are first. Items
 * that it did not select are last.
 */
export function orderItems(
  { items, encoders: [first] }: ExplainedSequence,
  order: ItemOrder,
): readonly ExplainedItem[] {
  if (order === 'position' || first === undefined) return items;
  const weightOf = ({ attention }: ExplainedItem): number | null => attention[first]!.weight;
  const selected = items.filter((item) => weightOf(item) !== null);
  const others = items.filter((item) => weightOf(item) === null);
  return [...selected.sort((a, b) => weightOf(b)! - weightOf(a)!), ...others];
}

/** Describes a sequence: its number of items, and the values of the candidate. */
export function describeSequence({ name, columns, items, dropped }: ExplainedSequence): string {
  const counts = `${items.length} ${items.length === 1 ? 'item' : 'items'}`;
  const candidate = columns.flatMap((column) =>
    column.candidate === undefined ? [] : [`${column.name} ${column.candidate || '(missing)'}`],
  );
  const parts = [
    dropped ? `${counts}, ${dropped} dropped` : counts,
    ...(candidate.length === 0 ? [] : [`candidate: ${candidate.join(', ')}`]),
  ];
  return `${name}: ${parts.join('; ')}`;
}

/** Returns the header of a table of items besides their attention, and the cells of an item. */
export function itemColumns({ columns, items }: ExplainedSequence) {
  const isWeighted = items.some(({ listWeight }) => listWeight !== undefined);
  return {
    header: ['position', ...columns.map(({ name }) => name), ...(isWeighted ? ['weight in list'] : [])],
    cells: ({ position, values, listWeight }: ExplainedItem): readonly string[] => [
      String(position),
      ...columns.map(({ name, areSeconds }) => formatValue(values[name]!, areSeconds === true)),
      ...(isWeighted ? [floatText(listWeight!)] : []),
    ],
  };
}

function formatValue(value: string | null, areSeconds: boolean): string {
  if (value === null) return '-';
  return areSeconds ? formatAge(Number(value)) : value;
}

/** Formats an age, as in 3 d 4 h; ages below a day as other durations. */
function formatAge(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  return hours < 24 ? duration(1000 * seconds) : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
