import { randomStream, type Random } from '../core/random.js';
import type { World } from './world.js';

/**
 * Biases of a log, each from 0 for none. A click log differs from what would happen if every item were clicked:
 * conversions are observed only for clicked rows, and clicks are not random. Two of the biases are of this kind:
 * selection can be corrected from the log, a confounder cannot.
 */
export interface Biases {
  /**
   * How well the log's ranker knows the user: increase of an item's log odds of a better position per unit of its click
   * log odds (Joachims et al. 2005, https://doi.org/10.1145/1076034.1076063).
   */
  readonly position: number;
  /** Share of the purchase log odds in the click log odds: likely buyers click. Fully explained by features. */
  readonly selection: number;
  /** Scale of a standard normal need in the log odds of both click and purchase, which no column observes. */
  readonly confounder: number;
}

/** A log without biases. */
export const NO_BIASES: Biases = { position: 0, selection: 0, confounder: 0 };

/** An impression: a position and its log odds. */
export interface Encounter {
  /** From 1, the best. */
  position: number;
  /** Log odds without intercepts and need. */
  click: number;
  purchase: number;
  /** Contribution of the need to both. */
  need: number;
}

/** Impressions whose mean centers the ranker's knowledge. */
const SAMPLE = 10_000;

/**
 * Creates a sampler of impressions for a log with biases; without biases it draws one random number, for the position.
 * @returns a function that fills `encounter`
 */
export function sampleEncounters(
  world: World,
  seed: number,
  { position: ranking, selection, confounder }: Biases,
): (random: Random, user: number, item: number, encounter: Encounter) => void {
  const odds = new Float64Array(2);
  const score = (user: number, item: number, position: number): void => {
    world.score(user, item, position, odds);
    odds[0] = odds[0]! + selection * odds[1]!;
  };
  let middle = 0;
  if (ranking > 0) {
    const random = randomStream(seed, 'ranker');
    for (let i = 0; i < SAMPLE; i++) {
      score(random.below(world.users.count), random.below(world.items.count), 1);
      middle += odds[0]! / SAMPLE;
    }
  }
  return (random, user, item, encounter) => {
    if (ranking === 0) encounter.position = 1 + random.below(world.numPositions);
    else {
      score(user, item, 1);
      // Uniform without knowledge; otherwise the share of worse positions grows for a good item.
      const share = random.uniform();
      const lower = 1 / (1 + Math.exp(ranking * (odds[0]! - middle) - Math.log(share / (1 - share))));
      encounter.position = 1 + Math.min(world.numPositions - 1, Math.floor(lower * world.numPositions));
    }
    score(user, item, encounter.position);
    encounter.click = odds[0]!;
    encounter.purchase = odds[1]!;
    encounter.need = confounder === 0 ? 0 : confounder * random.normal();
  };
}

/** Probabilities given all columns. */
export interface Chances {
  click: number;
  /** Of a purchase, given the observed click. */
  purchase: number;
  /** Of a purchase under a forced click. */
  purchaseIfClicked: number;
}

/** Quadrature nodes and weights for a standard normal, accurate to 12 digits. */
const NODES = Array.from({ length: 25 }, (_, i) => (i - 12) / 2);
const WEIGHTS = NODES.map((node) => (Math.exp((-node * node) / 2) / Math.sqrt(2 * Math.PI)) * 0.5);

/**
 * Computes probabilities with the need integrated out. After a click the need is likely to be high, which is why the
 * two purchase probabilities differ.
 * @param click log odds, with the intercept and without the need
 * @param purchase likewise
 */
export function computeChances(click: number, purchase: number, confounder: number, chances: Chances): void {
  if (confounder === 0) {
    chances.click = sigmoid(click);
    chances.purchase = chances.purchaseIfClicked = sigmoid(purchase);
    return;
  }
  let [clicked, bought, wouldBuy] = [0, 0, 0];
  for (let n = 0; n < NODES.length; n++) {
    const clickHere = WEIGHTS[n]! * sigmoid(click + confounder * NODES[n]!);
    const purchaseHere = sigmoid(purchase + confounder * NODES[n]!);
    clicked += clickHere;
    bought += clickHere * purchaseHere;
    wouldBuy += WEIGHTS[n]! * purchaseHere;
  }
  chances.click = clicked;
  chances.purchase = bought / clicked;
  chances.purchaseIfClicked = wouldBuy;
}

/** Converts log odds to a probability. */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
