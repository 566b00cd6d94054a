import { randomStream, type Random } from '../core/random.js';
import { sigmoid } from './biases.js';

// A log of clicks in order of time, whose conversions arrive late: their probability changes with time, and delays are
// exponential with a rate that depends on the row.

/** Number of values of each field; ids start at 1. */
export const DELAY_FIELDS = { user: 200, item: 500, category: 20, device: 4 } as const;
type DelayField = keyof typeof DELAY_FIELDS;
const FIELDS = Object.keys(DELAY_FIELDS) as readonly DelayField[];

/** Id of each field. */
type FieldIds = Readonly<Record<DelayField, number>>;

/** Standard deviation of the effects of each field on the log odds, and on the logarithm of the mean delay. */
const ODDS: Readonly<Record<DelayField, number>> = { user: 0.6, item: 0.5, category: 0.7, device: 0.3 };
const DELAYS: Readonly<Record<DelayField, number>> = { user: 0.2, item: 0.2, category: 0.5, device: 0.4 };
/** Amplitude of the drift of a category's log odds, and its range of periods in days. */
const [DRIFT, PERIOD_DAYS] = [1, [8, 32]] as const;
/** Median of the mean delays, in days. */
const MEDIAN_DAYS = 1;
/** Window within which a conversion counts, in days. */
export const WINDOW_DAYS = 7;
const DAY_SECONDS = 86_400;
/** Seconds since 1970 of the first click: midnight. */
const START = 1_790_035_200;
/** Clicks from which the intercept is fitted. */
const SAMPLE = 10_000;

/** Options of a log. */
export interface DelaySize {
  readonly seed: number;
  /** Number of rows of all splits. */
  readonly rows: number;
  /** Time from the first row to the last one. */
  readonly days: number;
  /** Mean probability of a conversion. */
  readonly rate: number;
}

/** A click, with its conversion and the truth. */
export interface DelayedClick {
  readonly ids: FieldIds;
  /** Time in seconds since 1970. */
  readonly time: number;
  /** Day of the log, from 0. */
  readonly day: number;
  /** Seconds since 1970; undefined for none within the window. */
  readonly eventTime: number | undefined;
  /** True probability of a conversion within the window. */
  readonly probability: number;
}

/** Effects of the values of a field, by id. */
type Effects = Readonly<Record<DelayField, Float64Array>>;

/** A log of clicks, drawn one after the other. */
export class DelayLog {
  readonly #size: DelaySize;
  readonly #random: Random;
  readonly #odds: Effects;
  readonly #delays: Effects;
  /** By category: period in days, and phase from 0 to 1. */
  readonly #periods: Float64Array;
  readonly #phases: Float64Array;
  readonly #intercept: number;
  #count = 0;

  constructor(size: DelaySize) {
    const stream = (purpose: string): Random => randomStream(size.seed, 'delays', purpose);
    this.#size = size;
    this.#random = stream('clicks');
    this.#odds = drawEffects(stream('odds'), ODDS);
    this.#delays = drawEffects(stream('delays'), DELAYS);
    const drift = stream('drift');
    const [shortest, longest] = PERIOD_DAYS;
    const count = DELAY_FIELDS.category + 1;
    this.#periods = Float64Array.from({ length: count }, () => shortest + (longest - shortest) * drift.uniform());
    this.#phases = Float64Array.from({ length: count }, () => drift.uniform());
    this.#intercept = this.#fitIntercept(stream('intercept'));
  }

  /** Draws the next click. */
  next(): DelayedClick {
    const { rows, days } = this.#size;
    const random = this.#random;
    const time = START + Math.floor(((this.#count + random.uniform()) / rows) * days * DAY_SECONDS);
    this.#count++;
    const ids = drawIds(random);
    const elapsedDays = (time - START) / DAY_SECONDS;
    const meanDays = MEDIAN_DAYS * Math.exp(sumEffects(this.#delays, ids));
    const converts = sigmoid(this.#intercept + this.#score(ids, elapsedDays));
    const delayDays = -meanDays * Math.log(1 - random.uniform());
    const isConverted = random.uniform() < converts && delayDays <= WINDOW_DAYS;
    return {
      ids,
      time,
      day: Math.floor(elapsedDays),
      eventTime: isConverted ? time + Math.floor(delayDays * DAY_SECONDS) : undefined,
      probability: converts * -Math.expm1(-WINDOW_DAYS / meanDays),
    };
  }

  /** Returns the log odds of a conversion at any time, without the intercept. */
  #score(ids: FieldIds, days: number): number {
    const { category } = ids;
    return sumEffects(this.#odds, ids) + DRIFT * triangle(days / this.#periods[category]! + this.#phases[category]!);
  }

  #fitIntercept(random: Random): number {
    const scores = Array.from({ length: SAMPLE }, () =>
      this.#score(drawIds(random), this.#size.days * random.uniform()),
    );
    let [low, high] = [-30, 30];
    for (let step = 0; step < 60; step++) {
      const middle = (low + high) / 2;
      const mean = scores.reduce((sum, score) => sum + sigmoid(middle + score), 0) / SAMPLE;
      if (mean < this.#size.rate) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }
}

function drawEffects(random: Random, deviations: Readonly<Record<DelayField, number>>): Effects {
  const effects = FIELDS.map((field) => [
    field,
    Float64Array.from({ length: DELAY_FIELDS[field] + 1 }, () => deviations[field] * random.normal()),
  ]);
  return Object.fromEntries(effects) as Effects;
}

function drawIds(random: Random): FieldIds {
  const ids = FIELDS.map((field) => [field, 1 + random.below(DELAY_FIELDS[field])]);
  return Object.fromEntries(ids) as FieldIds;
}

function sumEffects(effects: Effects, ids: FieldIds): number {
  return FIELDS.reduce((sum, field) => sum + effects[field][ids[field]]!, 0);
}

/** A wave with period 1 and amplitude 1, of straight lines: the last bit of a sine differs between V8 versions. */
function triangle(x: number): number {
  return 4 * Math.abs(x - Math.floor(x) - 0.5) - 1;
}
