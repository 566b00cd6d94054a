import {
  idColumn,
  numberColumn,
  withColumns,
  type BagColumn,
  type Batch,
  type BatchColumn,
} from '../../src/core/batch.js';
import { KEY_WORDS } from '../../src/core/row-key.js';

/** The columns of a batch by what they hold. */
export interface ColumnMaps {
  readonly ids?: ReadonlyMap<string, Uint32Array>;
  readonly numbers?: ReadonlyMap<string, Float32Array>;
  readonly vectors?: ReadonlyMap<string, { readonly width: number; readonly data: Float32Array }>;
  readonly bags?: ReadonlyMap<string, Omit<BagColumn, 'type'>>;
  readonly labels?: ReadonlyMap<string, Float32Array>;
  readonly keys?: ReadonlyMap<string, Uint32Array>;
  readonly doubles?: ReadonlyMap<string, Float64Array>;
}

/** Returns columns by what they hold as a batch. */
export function toBatch({ rows, ...maps }: ColumnMaps & { readonly rows: number }): Batch {
  const { ids = [], numbers = [], vectors = [], bags = [], labels = [], keys = [], doubles = [] } = maps;
  const columns = new Map<string, BatchColumn>();
  for (const [name, data] of ids) columns.set(name, idColumn(data));
  for (const [name, data] of [...numbers, ...labels]) columns.set(name, numberColumn(data));
  for (const [name, vector] of vectors) columns.set(name, { type: 'f32', ...vector });
  for (const [name, { offsets, ids: items, weights }] of bags)
    columns.set(name, { type: 'list', offsets, ids: items, weights });
  for (const [name, data] of keys) columns.set(name, { type: 'u32', width: KEY_WORDS, data });
  for (const [name, data] of doubles) columns.set(name, { type: 'f64', width: 1, data });
  return { rows, columns };
}

/** Returns the columns of a batch by what they hold; numbers and labels, which are stored alike, are both. */
export function mapsOf({ rows, columns }: Batch) {
  const maps = {
    ids: new Map<string, Uint32Array>(),
    numbers: new Map<string, Float32Array>(),
    vectors: new Map<string, { readonly width: number; readonly data: Float32Array }>(),
    bags: new Map<string, BagColumn>(),
    keys: new Map<string, Uint32Array>(),
    doubles: new Map<string, Float64Array>(),
  };
  for (const [name, each] of columns) {
    if (each.type === 'list') maps.bags.set(name, each);
    else if (each.type === 'f64') maps.doubles.set(name, each.data);
    else if (each.type === 'u32') maps[each.width === 1 ? 'ids' : 'keys'].set(name, each.data);
    else if (each.width === 1) maps.numbers.set(name, each.data);
    else maps.vectors.set(name, each);
  }
  return { rows, ...maps, labels: maps.numbers };
}

/** Returns a batch with some columns added or replaced. */
export function withMaps(batch: Batch, maps: ColumnMaps): Batch {
  return withColumns(batch, toBatch({ rows: batch.rows, ...maps }).columns);
}
