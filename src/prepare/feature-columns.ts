import type { ColumnData, Columns } from './column-file.js';
import type { FieldPlan } from './fields.js';
import { keepHeaviest } from './heaviest.js';

/** In a column of single ids: the row has none. */
export const MISSING = -1;

/** Values that did not fit into a row's cap, by field. */
export type Cuts = Record<string, { rows: number; values: number }>;

/** The features of many rows, a column a field, with raw ids; memory is used again for the next rows. */
export interface FeatureColumns {
  readonly rows: number;
  /** Begins a row; what was added to a row that was not ended is forgotten. */
  beginRow(): void;
  /** Adds a value to the field at this place among the fields. */
  add(field: number, id: number, weight: number): void;
  endRow(): void;
  /** Forgets all rows. */
  clear(): void;
  /**
   * Fields that occur: `name` F64 [rows] (and `name.weights` F32 where weights are kept) for one id a row, MISSING where
   * there is none; bags are `name.offsets` U32 [rows + 1], `name.ids` F64 and `name.weights` F32. Valid until `clear`.
   */
  columns(): Columns;
  readonly cuts: Cuts;
}

const FIRST_ROWS = 1 << 12;
const FIRST_PENDING = 1 << 11;

/** Empty columns for these fields. */
export function createFeatureColumns(fields: readonly FieldPlan[]): FeatureColumns {
  const count = fields.length;
  const isBag = Uint8Array.from(fields, (field) => Number(field.isBag));
  const keepsLast = Uint8Array.from(fields, (field) => Number(field.keepsLast ?? false));
  const bags = fields.flatMap((field, f) => (field.isBag ? [f] : []));
  const singles = fields.flatMap((field, f) => (field.isBag ? [] : [f]));
  let rowCapacity = FIRST_ROWS;
  // Of a single field its rows, of a bag its values.
  const ids = fields.map(() => new Float64Array(FIRST_ROWS));
  const weights = fields.map(() => new Float32Array(FIRST_ROWS));
  const offsets = fields.map((field) => new Uint32Array(field.isBag ? FIRST_ROWS + 1 : 0));
  // Values of the row that is open: for a single field only their number, since the one that is kept is in place.
  const pending = new Uint32Array(count);
  const pendingIds = fields.map((field) => new Float64Array(field.isBag ? FIRST_PENDING : 0));
  const pendingWeights = fields.map((field) => new Float32Array(field.isBag ? FIRST_PENDING : 0));
  const occurs = new Uint8Array(count);
  const cutRows = new Float64Array(count);
  const cutValues = new Float64Array(count);
  let rows = 0;

  const growRows = (): void => {
    rowCapacity *= 2;
    for (const f of singles) {
      ids[f] = enlarged(ids[f]!, rowCapacity);
      weights[f] = enlarged(weights[f]!, rowCapacity);
    }
    for (const f of bags) offsets[f] = enlarged(offsets[f]!, rowCapacity + 1);
  };

  const endBag = (f: number): void => {
    const kept = keepHeaviest(pendingIds[f]!, pendingWeights[f]!, pending[f]!, fields[f]!.cap);
    const begin = offsets[f]![rows]!;
    if (begin + kept > ids[f]!.length) {
      const capacity = Math.max(begin + kept, 2 * ids[f]!.length);
      ids[f] = enlarged(ids[f]!, capacity);
      weights[f] = enlarged(weights[f]!, capacity);
    }
    for (let i = 0; i < kept; i++) {
      ids[f]![begin + i] = pendingIds[f]![i]!;
      weights[f]![begin + i] = pendingWeights[f]![i]!;
    }
    offsets[f]![rows + 1] = begin + kept;
  };

  return {
    get rows() {
      return rows;
    },

    beginRow() {
      if (rows === rowCapacity) growRows();
      for (let i = 0; i < singles.length; i++) {
        ids[singles[i]!]![rows] = MISSING;
        weights[singles[i]!]![rows] = 0;
      }
      pending.fill(0);
    },

    add(field, id, weight) {
      const at = pending[field]!++;
      if (isBag[field] === 1) {
        if (at === pendingIds[field]!.length) {
          pendingIds[field] = enlarged(pendingIds[field]!, 2 * at);
          pendingWeights[field] = enlarged(pendingWeights[field]!, 2 * at);
        }
        pendingIds[field]![at] = id;
        pendingWeights[field]![at] = weight;
        return;
      }
      const heaviest = weights[field]![rows]!;
      const light = Math.fround(weight);
      if (at > 0 && keepsLast[field] === 0 && (light < heaviest || (light === heaviest && id > ids[field]![rows]!))) return;
      ids[field]![rows] = id;
      weights[field]![rows] = light;
    },

    endRow() {
      for (let i = 0; i < bags.length; i++) endBag(bags[i]!);
      for (let f = 0; f < count; f++) {
        const values = pending[f]!;
        if (values === 0) continue;
        occurs[f] = 1;
        const cut = values - fields[f]!.cap;
        if (cut <= 0) continue;
        cutRows[f]!++;
        cutValues[f]! += cut;
      }
      rows++;
    },

    clear() {
      rows = 0;
      occurs.fill(0);
      cutRows.fill(0);
      cutValues.fill(0);
    },

    columns() {
      const columns = new Map<string, ColumnData>();
      for (const [f, { name, isBag: isMany, number }] of fields.entries()) {
        if (occurs[f] === 0) continue;
        const length = isMany ? offsets[f]![rows]! : rows;
        if (isMany) columns.set(`${name}.offsets`, offsets[f]!.subarray(0, rows + 1));
        columns.set(isMany ? `${name}.ids` : name, ids[f]!.subarray(0, length));
        if (isMany || number !== undefined) columns.set(`${name}.weights`, weights[f]!.subarray(0, length));
      }
      return columns;
    },

    get cuts() {
      const cut = fields.flatMap(({ name }, f) => (cutValues[f] === 0 ? [] : [[name, { rows: cutRows[f]!, values: cutValues[f]! }] as const]));
      return Object.fromEntries(cut);
    },
  };
}

function enlarged<Data extends Float64Array | Float32Array | Uint32Array>(data: Data, length: number): Data {
  // The constructor of a typed array of this kind: the checker knows only that of all kinds.
  const larger = new (data.constructor as new (length: number) => Data)(length);
  larger.set(data);
  return larger;
}
