import type { OperationName, Operations } from './operations.js';

/** What every pass over a graph reads of an operation besides its operands. */
interface Descriptor<Operand extends string = string> {
  /**
   * Columns of the result: `same` if each is computed from the same column of the operands, `moved` if each is a column
   * of an operand, otherwise `own`.
   */
  readonly columns: 'same' | 'moved' | 'own';
  /**
   * Rows of the result: `same` if each is computed from the same row of the operands in evaluation mode; `items` if rows
   * are items, or have items; `batch` if rows of the batch are summed or compared, which predictions do not require.
   */
  readonly rows: 'same' | 'items' | 'batch';
  /** Operands that are never differentiated. */
  readonly constants?: readonly Operand[];
}

const LOSS = { columns: 'own', rows: 'batch', constants: ['label', 'mask', 'weights'] } as const;
const BY_ELEMENT = { columns: 'same', rows: 'same' } as const;
const BY_ROW = { columns: 'own', rows: 'same' } as const;
const OF_ITEMS = { columns: 'same', rows: 'items' } as const;

const DESCRIPTORS: { readonly [Name in OperationName]: Descriptor<string & keyof Operations[Name]> } = {
  input: BY_ROW,
  linear: BY_ROW,
  batchNorm: BY_ELEMENT,
  activation: BY_ELEMENT,
  layerNorm: BY_ROW,
  dropout: BY_ELEMENT,
  softmax: BY_ROW,
  concat: { columns: 'moved', rows: 'same' },
  slice: { columns: 'moved', rows: 'same' },
  split: { columns: 'own', rows: 'items' },
  join: { columns: 'own', rows: 'items' },
  multiply: BY_ELEMENT,
  add: BY_ELEMENT,
  affine: BY_ELEMENT,
  map: BY_ELEMENT,
  productLogit: BY_ELEMENT,
  crossEntropy: { ...BY_ELEMENT, constants: ['label'] },
  reciprocal: BY_ELEMENT,
  clip: BY_ELEMENT,
  batchSum: { columns: 'same', rows: 'batch' },
  groupLogSumExp: { columns: 'own', rows: 'batch', constants: ['groups'] },
  groupPairs: { columns: 'own', rows: 'batch', constants: ['label', 'groups'] },
  expand: OF_ITEMS,
  segmentPool: OF_ITEMS,
  segmentSoftmax: OF_ITEMS,
  shift: OF_ITEMS,
  segmentAttention: { ...OF_ITEMS, constants: ['ages'] },
  segmentGru: { columns: 'own', rows: 'items' },
  itemProduct: { columns: 'own', rows: 'items' },
  hashMatches: { columns: 'own', rows: 'items', constants: ['x', 'query'] },
  selectTop: { columns: 'own', rows: 'items', constants: ['scores'] },
  gatherItems: { ...OF_ITEMS, constants: ['positions'] },
  itemPosition: { columns: 'own', rows: 'items' },
  combinedLinear: { columns: 'own', rows: 'items' },
  scaledLinear: { columns: 'own', rows: 'items' },
  stopGradient: { ...BY_ELEMENT, constants: ['x'] },
  mixture: BY_ROW,
  attend: BY_ROW,
  binaryCrossEntropy: LOSS,
  squaredError: LOSS,
  mean: { ...LOSS, constants: ['mask', 'weights'] },
};

/** Returns the descriptor of an operation. */
export function describeOperation(op: OperationName): Descriptor {
  return DESCRIPTORS[op];
}

/** Returns whether each element is computed from the elements of the operands in the same row and column. */
export function isByElement(op: OperationName): boolean {
  const { columns, rows } = DESCRIPTORS[op];
  return columns === 'same' && rows === 'same';
}
