import type { LossName, LossValue, Value, ValueOf } from '../../../graph/operations.js';
import { BATCH } from '../../../graph/domain.js';
import { isKnown } from '../../step-rows.js';
import { shift, type Ref } from '../buffers.js';
import type { Lowering } from '../lowering.js';

/** Returns a column of one float per row, as the loss kernels read it; 0 for none. */
function flatten(value: Value | undefined, { places, list, view }: Lowering): Ref | 0 {
  if (value === undefined) return 0;
  const x = view(value);
  if (x.ld === 1) return x;
  const y = places.columns(`flat ${value.id}`, 1, BATCH, 1).value;
  list.emit('copyColumns', { x, y, width: 1, accumulate: 0 });
  return y;
}

/** Buffers of a loss: the loss of each row, its weight, and its mean and rows (doubles). */
export interface LossPlace {
  readonly losses: Ref;
  readonly weight: Ref;
  readonly out: Ref;
}

/** Columns of a loss besides its logits, one float per row each. */
interface LossColumns {
  readonly label: Ref | 0;
  readonly mask: Ref | 0;
  readonly weights: Ref | 0;
}

type LowerLoss<Loss> = (value: Loss, lowering: Lowering, place: LossPlace & LossColumns) => void;
type LossTable = { readonly [Name in LossName]: LowerLoss<ValueOf<Name>> };

/** What all losses of a value read and write. */
function operands(
  x: Value,
  { view, gradient, accumulate }: Lowering,
  { losses, weight, mask, weights }: LossPlace & LossColumns,
) {
  return { z: view(x), dz: gradient(x), mask, weights, losses, weight, accumulate: accumulate(x) };
}

const LOSSES: LossTable = {
  binaryCrossEntropy(value, lowering, place) {
    lowering.list.emit('binaryCrossEntropy', { ...operands(value.logit, lowering, place), label: place.label });
  },
  mean(value, lowering, place) {
    lowering.list.emit('mean', operands(value.x, lowering, place));
  },
  squaredError(value, lowering, place) {
    lowering.list.emit('squaredError', { ...operands(value.prediction, lowering, place), label: place.label });
  },
};

/** A loss and its buffers. */
interface PlacedLoss {
  readonly value: LossValue;
  readonly place: LossPlace;
}

/**
 * Lowers losses, and their gradients times their weights.
 * @param isBack whether the gradients are required: they are divided by the rows that count in all processes
 */
export function lowerLosses(losses: readonly PlacedLoss[], lowering: Lowering, isBack: boolean): void {
  const { list, refused, part } = lowering;
  const read = losses.map(({ value, place }) => {
    const label = flatten('label' in value ? value.label : undefined, lowering);
    const [mask, weights] = [flatten(value.mask, lowering), flatten(value.weights, lowering)];
    return { value, place: { ...place, label, mask, weights } };
  });
  const counted = read.filter(({ value }) => !isKnown(value.mask));
  // Every worker counts all rows of a mask, and other workers compute some of a computed mask.
  if (counted.length > 0) list.separate();
  if (isBack && part !== undefined) {
    for (const { place } of counted) list.emit('countRows', { mask: place.mask, out: countOf(place), rows: BATCH });
    list.together(counted.map(({ place }) => ({ at: countOf(place), count: 1 })));
  }
  for (const { value, place } of read) {
    // The table's entry for `value.op` takes that operation's value.
    const lower = LOSSES[value.op] as LowerLoss<LossValue>;
    lower(value, lowering, place);
    list.emit('checkFinite', { numbers: place.losses, refused, count: BATCH });
    list.emit('meanLoss', { losses: place.losses, mask: place.mask, out: place.out });
  }
}

/** A double: the rows that a loss is divided by; 0 if they are those that this pass counts. */
function countOf({ weight }: LossPlace): Ref {
  return shift(weight, 2);
}
