import { CELL_SEPARATOR, type ListForm } from '../../features/feature.js';
import type { CellOptions } from '../../features/cells.js';
import { readLookedUp } from '../../features/expressions/compile.js';
import type { Type, Values } from '../../features/expressions/functions.js';
import type { TypedLookup } from '../../features/expressions/resolve.js';
import type { LookupTable, LookupTables } from '../../features/lookups.js';
import { textReader } from '../../features/vocabulary/string-pool.js';
import { isEmptyText } from './clean-cells.js';
import type { FormulaValue } from './formula-functions.js';
import { splitItems } from './lists.js';
import type { OnnxGraph } from './onnx-graph.js';

/** How a lookup reads the values of its side table. */
interface Reading {
  readonly tables: LookupTables;
  readonly cells: CellOptions;
  readonly form: ListForm;
}

/** Emits values of side tables, which become tensors of the model. */
export class SideTables {
  readonly #onnx: OnnxGraph;
  /** Ids of emitted keys, and texts of emitted columns. */
  readonly #emitted = new Map<string, string>();

  constructor(onnx: OnnxGraph) {
    this.#onnx = onnx;
  }

  /** Emits the values that a lookup returns for keys. */
  emit(lookup: TypedLookup, keys: string, { tables, cells, form }: Reading): FormulaValue {
    const table = tables.get(lookup.table)!;
    const ids = this.#once(`${lookup.table} ${keys}`, () => this.#emitIds(table, keys));
    // Columns that are read in the same manner are stored once.
    const name = `${lookup.table}.${lookup.column} as ${lookup.type}${suffix({ cells, form }, lookup.type)}`;
    const { type } = lookup;
    if (type === 'number' || type === 'date') {
      const { values, codes } = readLookedUp(type, lookup, table, cells, form);
      const data = (): Float64Array => Float64Array.from(codes, (code) => values[code]!);
      return this.#gather(this.#tensor(name, 'double', codes.length, data), ids);
    }
    const { values, codes } = readLookedUp<'text' | 'bag'>(type, lookup, table, cells, form);
    const texts = this.#once(name, () => this.#texts(Array.from(values, joinItems)));
    const indices = this.#tensor(`${name}, indices`, 'int64', codes.length, () => BigInt64Array.from(codes, BigInt));
    const found = this.#gather(texts, this.#gather(indices, ids));
    if (type === 'text') return found;
    const cell = { onnx: this.#onnx, texts: found, isEmpty: isEmptyText(this.#onnx, found) };
    const { written, isWritten } = splitItems(cell, CELL_SEPARATOR);
    return { texts: written, isItem: isWritten };
  }

  /** Emits the ids of keys; 0 for absent ones. */
  #emitIds({ keys: pool }: LookupTable, keys: string): string {
    const keyAt = textReader(pool);
    const ids = Array.from({ length: pool.offsets.length - 1 }, (_, index) => index);
    const [found] = this.#onnx.nodeOf('ai.onnx.ml', 'LabelEncoder', [keys], {
      keys_strings: { texts: ['', ...ids.map(keyAt)].map((key) => Buffer.from(key)) },
      values_int64s: [0, ...ids.map((id) => id + 1)],
      default_int64: 0,
    });
    return found!;
  }

  #texts(texts: readonly string[]): string {
    return this.#onnx.node('Constant', [], { value_strings: { texts: texts.map((text) => Buffer.from(text)) } });
  }

  #tensor(name: string, type: 'double' | 'int64', length: number, read: () => Float64Array | BigInt64Array): string {
    return this.#onnx.initializer(name, type, [length], 8 * length, () => new Uint8Array(read().buffer));
  }

  #gather(values: string, indices: string): string {
    return this.#onnx.node('Gather', [values, indices]);
  }

  #once(key: string, emit: () => string): string {
    const value = this.#emitted.get(key) ?? emit();
    this.#emitted.set(key, value);
    return value;
  }
}

/** Describes a reading other than the default. */
function suffix({ cells, form }: Omit<Reading, 'tables'>, type: Type): string {
  const options = { ...cells, ...(type === 'bag' && form) };
  return Object.keys(options).length === 0 ? '' : `, ${JSON.stringify(options)}`;
}

/** Joins the items of a list, which do not contain the separator (`hasSeparator`). */
function joinItems(value: Values['text' | 'bag']): string {
  return typeof value === 'string' ? value : [...value].join(CELL_SEPARATOR);
}
