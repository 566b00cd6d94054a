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
  list.emit('copyColumns', { x: place.at, ldx: place.ld, y: column.at, ldy: 1, rows: ROWS, width: 1, accumulate: 0 });
  return column.at;
}

/** Addresses of a loss: of each row's, of its weight, and of its mean and rows (doubles). */
export interface LossPlace {
  readonly losses: number;
  readonly weight: number;
  readonly out: number;
}

type LossTable = { readonly [Name in LossName]: (value: ValueOf<Name>, lowering: Lowering, addresses: LossPlace) => void };

const LOSSES: LossTable = {
  binaryCrossEntropy(value, lowering, { losses, weight }) {
    const z = lowering.places.of(value.logit);
    const [label, mask, weights] = [value.label, value.mask, value.weights].map((column) => flat(column, lowering));
    lowering.list.emit('binaryCrossEntropy', { z: z.at, ldz: z.ld, label: label!, mask: mask!, weights: weights!, losses, dz: z.gradient, rows: ROWS, weight, accumulate: lowering.accumulate(value.logit) });
  },
  productCrossEntropy(value, lowering, { losses, weight }) {
    const [a, c] = value.logits.map((logit) => lowering.places.of(logit)) as [Place, Place];
    const [label, mask, weights] = [value.label, value.mask, value.weights].map((column) => flat(column, lowering));
    const [first, second] = value.logits.map((logit) => lowering.accumulate(logit));
    lowering.list.emit('productCrossEntropy', { a: a.at, lda: a.ld, c: c.at, ldc: c.ld, label: label!, mask: mask!, weights: weights!, losses, da: a.gradient, dc: c.gradient, rows: ROWS, weight, accumulateA: first!, accumulateC: second! });
  },
  squaredError(value, lowering, { losses, weight }) {
    const z = lowering.places.of(value.prediction);
    const [label, mask, weights] = [value.label, value.mask, value.weights].map((column) => flat(column, lowering));
    lowering.list.emit('squaredError', { z: z.at, ldz: z.ld, label: label!, mask: mask!, weights: weights!, losses, dz: z.gradient, rows: ROWS, weight, accumulate: lowering.accumulate(value.prediction) });
  },
};

/** Lowers a loss, and its gradient times its weight. */
export function lowerLoss(value: LossValue, lowering: Lowering, place: LossPlace): void {
  // The table's entry for `value.op` takes that operation's value.
  const lower = LOSSES[value.op] as (value: LossValue, lowering: Lowering, place: LossPlace) => void;
  lower(value, lowering, place);
  const { losses, out } = place;
  lowering.list.emit('checkFinite', { numbers: losses, refused: lowering.refused, count: ROWS });
  lowering.list.emit('meanLoss', { losses, mask: flat(value.mask, lowering), out, rows: ROWS });
}
