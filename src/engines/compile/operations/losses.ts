import type { LossName, LossValue, Value, ValueOf } from '../../../graph/operations.js';
import { isKnown } from '../../step-rows.js';
import type { Lowering } from '../lowering.js';
import { ROWS } from '../call-list.js';

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
    lowering.list.emit('binaryCrossEntropy', {
      z: z.at,
      ldz: z.ld,
      label,
      mask,
      weights,
      losses,
      dz: z.gradient,
      rows: ROWS,
      weight,
      accumulate: lowering.accumulate(value.logit),
    });
  },
  mean({ x }, lowering, { losses, weight, mask, weights }) {
    const z = lowering.places.of(x);
    lowering.list.emit('mean', {
      z: z.at,
      ldz: z.ld,
      mask,
      weights,
      losses,
      dz: z.gradient,
      rows: ROWS,
      weight,
      accumulate: lowering.accumulate(x),
    });
  },
  squaredError(value, lowering, { losses, weight, label, mask, weights }) {
    const z = lowering.places.of(value.prediction);
    lowering.list.emit('squaredError', {
      z: z.at,
      ldz: z.ld,
      label,
      mask,
      weights,
      losses,
      dz: z.gradient,
      rows: ROWS,
      weight,
      accumulate: lowering.accumulate(value.prediction),
    });
  },
};

/** A loss, and where it goes. */
interface PlacedLoss {
  readonly value: LossValue;
  readonly place: LossPlace;
}

/**
 * Lowers losses, and their gradients times their weights.
 * @param isBack whether these gradients are wanted: they are divided by the rows that count, also those of other
 * processes
 */
export function lowerLosses(losses: readonly PlacedLoss[], lowering: Lowering, isBack: boolean): void {
  const { list, refused, part } = lowering;
  const read = losses.map(({ value, place }) => {
    const [label, mask, weights] = ['label' in value ? value.label : undefined, value.mask, value.weights].map(
      (column) => flat(column, lowering),
    ) as [number, number, number];
    return { value, place: { ...place, label, mask, weights } };
  });
  const counted = read.filter(({ value }) => !isKnown(value.mask));
  // Every worker counts all rows of a mask. Of one that is computed, others compute some.
  if (counted.length > 0) list.separate();
  if (isBack && part !== 0) {
    for (const {
      place: { mask, weight },
    } of counted)
      list.emit('countRows', { mask, out: countAt(weight), rows: ROWS });
    list.together(counted.map(({ place: { weight } }) => ({ at: countAt(weight), count: 1 })));
  }
  for (const { value, place } of read) {
    // The table's entry for `value.op` takes that operation's value.
    const lower = LOSSES[value.op] as LowerLoss<LossValue>;
    lower(value, lowering, place);
    list.emit('checkFinite', { numbers: place.losses, refused, count: ROWS });
    list.emit('meanLoss', { losses: place.losses, mask: place.mask, out: place.out, rows: ROWS });
  }
}

/** Where it stands what a loss is divided by, a double; 0 where it is what this pass counts here. */
function countAt(weight: number): number {
  return weight + 8;
}
