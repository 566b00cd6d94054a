import { column, type Batch } from '../batch.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { drawEmbeddings } from './first-embeddings.js';
import type { InputLayout, TableSpec } from './layout.js';
import { createFactors } from './pooling.js';

// B rows of the batch, I columns of the input, V rows of a table, D its width, U distinct rows that a batch touches.

/** A table in memory, with the optimizer's numbers beside the weights. */
export interface Table extends TableSpec {
  readonly weights_VD: Float32Array;
  readonly slots_VD: readonly Float32Array[];
}

/** The embedding tables of a model: looked up before the graph runs, updated after it, never inside it. */
export interface Tables {
  readonly tables: readonly Table[];
  /** Fills the first rows of `input_BI` with the embeddings, pooled bags and numbers of the batch. */
  lookup(batch: Batch, input_BI: Float32Array): void;
  /** Sums `inputGradient_BI` over each distinct row, by table. The arrays are reused by the next call. */
  rowGradients(batch: Batch, inputGradient_BI: Float32Array): readonly RowGradients[];
  /** Updates the touched rows, or all of them if the tables are not lazy; `step` counts from 1. */
  update(gradients: readonly RowGradients[], step: number): void;
}

/** The gradient of a table: zero but in the rows that are listed. */
export interface RowGradients {
  readonly table: Table;
  /** Number of distinct rows. */
  readonly count: number;
  readonly rows_U: Uint32Array;
  readonly gradient_UD: Float32Array;
}

/**
 * Makes the tables of a layout, drawn from N(0, 1e-4²).
 * @param optimizer the rule for their rows, and what it keeps for every weight
 * @param isLazy whether an update leaves rows alone that the batch does not touch
 */
export function createTables(layout: InputLayout, optimizer: Optimizer, isLazy: boolean, seed: number): Tables {
  const tables = layout.tables.map((spec): Table => {
    const size = spec.rows * spec.width;
    const weights_VD = new Float32Array(size);
    drawEmbeddings(spec.name, seed, { data: weights_VD, at: 0, rows: spec.rows, width: spec.width, stride: spec.width });
    return { ...spec, weights_VD, slots_VD: optimizer.slots.map(() => new Float32Array(size)) };
  });
  const byName = new Map(tables.map((table) => [table.name, table]));
  const factorsOf = createFactors();
  const accumulators = tables.map((table) => createAccumulator(table, layout));

  return {
    tables,

    lookup(batch, input_BI) {
      for (const columns of layout.columns) {
        if (columns.kind === 'number') {
          const numbers = column(batch.numbers, columns.field);
          for (let b = 0; b < batch.rows; b++) input_BI[b * layout.width + columns.offset] = numbers[b]!;
        } else if (columns.kind === 'bag') {
          const { weights_VD, width } = column(byName, columns.table);
          const bag = column(batch.bags, columns.field);
          const factors = factorsOf(bag, batch.rows, columns.pooling);
          for (let b = 0; b < batch.rows; b++) {
            const to = b * layout.width + columns.offset;
            input_BI.fill(0, to, to + width);
            for (let i = bag.offsets[b]!; i < bag.offsets[b + 1]!; i++) {
              const from = bag.ids[i]! * width;
              for (let d = 0; d < width; d++) input_BI[to + d]! += factors[i]! * weights_VD[from + d]!;
            }
          }
        } else {
          const { weights_VD, width } = column(byName, columns.table);
          const ids = column(batch.ids, columns.field);
          for (let b = 0; b < batch.rows; b++) {
            const from = ids[b]! * width;
            const to = b * layout.width + columns.offset;
            for (let d = 0; d < width; d++) input_BI[to + d] = weights_VD[from + d]!;
          }
        }
      }
    },

    rowGradients: (batch, inputGradient_BI) => accumulators.map((accumulate) => accumulate(batch, inputGradient_BI)),

    update(gradients, step) {
      const update = optimizer.at(step);
      for (const { table, count, rows_U, gradient_UD } of gradients) {
        const { weights_VD, slots_VD, width } = table;
        for (let u = 0; u < count; u++) update(weights_VD, slots_VD, rows_U[u]! * width, gradient_UD, u * width, width);
        if (isLazy) continue;
        const isTouched_V = new Uint8Array(table.rows);
        for (let u = 0; u < count; u++) isTouched_V[rows_U[u]!] = 1;
        const zero_D = new Float32Array(width);
        for (let row = 0; row < table.rows; row++) if (isTouched_V[row] === 0) update(weights_VD, slots_VD, row * width, zero_D, 0, width);
      }
    },
  };
}

/** A table's gradient with its zeros: `[V, D]`. */
export function denseGradient({ table, count, rows_U, gradient_UD }: RowGradients): Float32Array {
  const { rows, width } = table;
  const dense_VD = new Float32Array(rows * width);
  for (let u = 0; u < count; u++) dense_VD.set(gradient_UD.subarray(u * width, (u + 1) * width), rows_U[u]! * width);
  return dense_VD;
}

/** Sums the gradients of a table's rows over all fields that look into it; distinct rows are found with stamps. */
function createAccumulator(table: Table, layout: InputLayout): (batch: Batch, inputGradient_BI: Float32Array) => RowGradients {
  const fields = layout.columns.filter((columns) => columns.kind !== 'number' && columns.table === table.name);
  const factorsOf = createFactors();
  const { width } = table;
  const slotOf_V = new Uint32Array(table.rows);
  let rows_U = new Uint32Array(0);
  let gradient_UD = new Float32Array(0);

  return (batch, inputGradient_BI) => {
    const keys = fields.reduce((sum, { kind, field }) => sum + (kind === 'bag' ? column(batch.bags, field).offsets[batch.rows]! : batch.rows), 0);
    const most = Math.min(table.rows, keys);
    if (rows_U.length < most) {
      rows_U = new Uint32Array(most);
      gradient_UD = new Float32Array(most * width);
    }
    gradient_UD.fill(0, 0, most * width);
    let count = 0;
    const add = (row: number, factor: number, from: number): void => {
      // A stale slot is told from a live one by asking whose it is.
      let u = slotOf_V[row]!;
      if (u >= count || rows_U[u] !== row) {
        u = count++;
        slotOf_V[row] = u;
        rows_U[u] = row;
      }
      for (let d = 0; d < width; d++) gradient_UD[u * width + d]! += factor * inputGradient_BI[from + d]!;
    };
    for (const columns of fields) {
      const { field, offset } = columns;
      if (columns.kind === 'bag') {
        const bag = column(batch.bags, field);
        const factors = factorsOf(bag, batch.rows, columns.pooling);
        for (let b = 0; b < batch.rows; b++) {
          for (let i = bag.offsets[b]!; i < bag.offsets[b + 1]!; i++) add(bag.ids[i]!, factors[i]!, b * layout.width + offset);
        }
      } else {
        const ids = column(batch.ids, field);
        for (let b = 0; b < batch.rows; b++) add(ids[b]!, 1, b * layout.width + offset);
      }
    }
    return { table, count, rows_U, gradient_UD };
  };
}
