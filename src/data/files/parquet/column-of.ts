import type { Column, Items } from '../../../chunks/column.js';

/** The cells of a column for some rows. */
export interface CellColumn {
  readonly type: string;
  readonly text: (row: number) => string;
  readonly numbers?: { readonly values: Float64Array; readonly isWhole: boolean };
  readonly items?: (row: number) => Items;
  readonly vectors?: (row: number) => ArrayLike<number>;
}

export function columnOf({ type, text, numbers, items, vectors }: CellColumn, rows: number): Column {
  const offsets = new Uint32Array(rows + 1);
  const ids: string[] = [];
  const weights: number[] = [];
  if (items !== undefined)
    for (let row = 0; row < rows; row++) {
      const { ids: own, weights: ownWeights, begin, end } = items(row);
      for (let i = begin; i < end; i++) {
        ids.push(own[i]!);
        weights.push(ownWeights[i]!);
      }
      offsets[row + 1] = ids.length;
    }
  return {
    type,
    text,
    ...(numbers !== undefined && { numbers }),
    ...(vectors !== undefined && { numbersAt: vectors }),
    ...(items !== undefined && {
      lists: { offsets, items: { type: 'string', text: (i: number) => ids[i]! }, weights },
    }),
  };
}
