import type { LossName, LossValue, Value, ValueOf } from '../../graph/operations.js';
import type { Lowering } from './lowering.js';
import { ROWS } from './call-list.js';
import type { Place } from './places.js';

/** A column of one float a row, as the losses read it; 0 for none. */
function flat(value: Value | undefined, { places, list }: Lowering): number {
  if (value === undefined) return 0;
  const place = places.of(value);
  if (place.ld === 1) return place.at;
  const column = places.columns(`flat ${value.id}`, 1, 1);
  list.emit('copyColumns', place.at, place.ld, column.at, 1, ROWS, 1, 0);
  return column.at;
}

type LossTable = { readonly [Name in LossName]: (value: ValueOf<Name>, lowering: Lowering, losses: number, weight: number) => void };

const LOSSES: LossTable = {
  binaryCrossEntropy(value, lowering, losses, weight) {
    const z = lowering.places.of(value.logit);
    const [label, mask, weights] = [value.label, value.mask, value.weights].map((column) => flat(column, lowering));
    lowering.list.emit('binaryCrossEntropy', z.at, z.ld, label!, mask!, weights!, losses, z.gradient, ROWS, weight, lowering.accumulate(value.logit));
  },
  productCrossEntropy(value, lowering, losses, weight) {
    const [a, c] = value.logits.map((logit) => lowering.places.of(logit)) as [Place, Place];
    const [label, mask, weights] = [value.label, value.mask, value.weights].map((column) => flat(column, lowering));
    const [first, second] = value.logits.map((logit) => lowering.accumulate(logit));
    lowering.list.emit('productCrossEntropy', a.at, a.ld, c.at, c.ld, label!, mask!, weights!, losses, a.gradient, c.gradient, ROWS, weight, first!, second!);
  },
  squaredError(value, lowering, losses, weight) {
    const z = lowering.places.of(value.prediction);
    const [label, mask, weights] = [value.label, value.mask, value.weights].map((column) => flat(column, lowering));
    lowering.list.emit('squaredError', z.at, z.ld, label!, mask!, weights!, losses, z.gradient, ROWS, weight, lowering.accumulate(value.prediction));
  },
};

/** Lowers a loss: each row's to `losses`, its gradient times `weight` to the logits', its mean and rows (doubles) to `out`. */
export function lowerLoss(value: LossValue, lowering: Lowering, losses: number, weight: number, out: number): void {
  // The table's entry for `value.op` takes that operation's value.
  const lower = LOSSES[value.op] as (value: LossValue, lowering: Lowering, losses: number, weight: number) => void;
  lower(value, lowering, losses, weight);
  lowering.list.emit('checkFinite', losses, lowering.refused, ROWS);
  lowering.list.emit('meanLoss', losses, flat(value.mask, lowering), out, ROWS);
}
