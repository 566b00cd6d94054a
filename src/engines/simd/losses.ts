import type { LossName, LossValue, Value, ValueOf } from '../../graph/operations.js';
import type { Lowering } from './lowering.js';
import { ROWS } from './call-list.js';

/** A column of one float a row, as the losses read it; 0 for none. */
function flat(value: Value | undefined, { places, list }: Lowering): number {
  if (value === undefined) return 0;
  const place = places.of(value);
  if (place.ld === 1) return place.at;
  const column = places.columns(`flat ${value.id}`, 1, 1);
  list.emit('copyColumns', { x: place.at, ldx: place.ld, y: column.at, ldy: 1, rows: ROWS, width: 1, accumulate: 0 });
  return column.at;
}

/** Addresses of a loss: of each row's, of its weight, and of its mean and rows (doubles). */
export interface LossPlace {
  readonly losses: number;
  readonly weight: number;
  readonly out: number;
}

/** Addresses of what a loss takes beside its logits, one float a row each. */
interface LossColumns {
  readonly label: number;
  readonly mask: number;
  readonly weights: number;
}

type LowerLoss<Loss> = (value: Loss, lowering: Lowering, place: LossPlace & LossColumns) => void;
type LossTable = { readonly [Name in LossName]: LowerLoss<ValueOf<Name>> };

const LOSSES: LossTable = {
  binaryCrossEntropy(value, lowering, { losses, weight, label, mask, weights }) {
    const z = lowering.places.of(value.logit);
    lowering.list.emit('binaryCrossEntropy', { z: z.at, ldz: z.ld, label, mask, weights, losses, dz: z.gradient, rows: ROWS, weight, accumulate: lowering.accumulate(value.logit) });
  },
  mean({ x }, lowering, { losses, weight, mask, weights }) {
    const z = lowering.places.of(x);
    lowering.list.emit('mean', { z: z.at, ldz: z.ld, mask, weights, losses, dz: z.gradient, rows: ROWS, weight, accumulate: lowering.accumulate(x) });
  },
  squaredError(value, lowering, { losses, weight, label, mask, weights }) {
    const z = lowering.places.of(value.prediction);
    lowering.list.emit('squaredError', { z: z.at, ldz: z.ld, label, mask, weights, losses, dz: z.gradient, rows: ROWS, weight, accumulate: lowering.accumulate(value.prediction) });
  },
};

/** Lowers a loss, and its gradient times its weight. */
export function lowerLoss(value: LossValue, lowering: Lowering, place: LossPlace): void {
  const { list, places, refused } = lowering;
  const [label, mask, weights] = ['label' in value ? value.label : undefined, value.mask, value.weights].map((column) => flat(column, lowering)) as [number, number, number];
  // Every worker counts all rows of a mask. Of one that is computed, others compute some.
  if (value.mask !== undefined && mask !== places.of(value.mask).at) list.separate();
  // The table's entry for `value.op` takes that operation's value.
  const lower = LOSSES[value.op] as LowerLoss<LossValue>;
  const { losses, weight, out } = place;
  lower(value, lowering, { losses, weight, out, label, mask, weights });
  list.emit('checkFinite', { numbers: losses, refused, count: ROWS });
  list.emit('meanLoss', { losses, mask, out, rows: ROWS });
}
