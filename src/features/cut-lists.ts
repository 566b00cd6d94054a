import type { ChunkRows } from '../chunks/chunk.js';
import { JSON_ITEM, type Lists, type Utf8 } from '../chunks/column.js';
import { grown } from '../core/grown.js';
import type { ListForm } from './feature.js';
import { utf8Column } from './utf8-column.js';

/** Bytes of ASCII characters. */
const [OPENING_BRACKET, MAX_ASCII] = [0x5b, 0x7f] as const;
const JSON_MARK = JSON_ITEM.charCodeAt(0);
/** Expected number of items per row. */
const ITEMS_PER_ROW = 8;

/**
 * Cuts separated items without conversion to strings.
 * @returns undefined if a value has weights, may be JSON, or has a missing item that is not kept
 */
export function cutLists(rows: ChunkRows, cells: Utf8, form: ListForm): Lists | undefined {
  const [separator, weight] = [form.items.charCodeAt(0), form.weight?.charCodeAt(0) ?? -1];
  if (form.format === 'json' || separator > MAX_ASCII || weight > MAX_ASCII) return undefined;
  const { bytes, stride, gap } = cells;
  const mayBeJson = form.format !== 'separated';
  const mark = form.format === 'item' ? JSON_MARK : OPENING_BRACKET;
  const offsets = new Uint32Array(rows.count + 1);
  let begins: Uint32Array = new Uint32Array(ITEMS_PER_ROW * rows.count);
  let ends: Uint32Array = new Uint32Array(begins.length);
  let count = 0;
  for (let row = 0; row < rows.count; row++) {
    const begin = cells.begins[row * stride]! + gap;
    const end = cells.ends[row * stride]!;
    if (rows.isKept(row) && begin < end) {
      if (mayBeJson && bytes[begin] === mark) return undefined;
      const needed = count + end - begin + 1;
      if (needed > begins.length) [begins, ends] = [grown(begins, needed), grown(ends, needed)];
      begins[count] = begin;
      for (let i = begin; i < end; i++) {
        const byte = bytes[i]!;
        if (byte === weight) return undefined;
        if (byte !== separator) continue;
        ends[count++] = i;
        begins[count] = i + 1;
      }
      ends[count++] = end;
    }
    offsets[row + 1] = count;
  }
  if (form.keepsMissing !== true) for (let i = 0; i < count; i++) if (begins[i] === ends[i]) return undefined;
  const items = { bytes, begins: begins.subarray(0, count), ends: ends.subarray(0, count), stride: 1, gap: 0 };
  return { offsets, items: utf8Column(items, count) };
}
