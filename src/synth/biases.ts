import { randomStream, type Random } from '../core/random.js';
import type { World } from './world.js';

/**
 * What makes a log a crooked witness of the world, each from 0, where there is none of it.
 *
 * What a log of clicks shows is not what would be if each item were clicked: conversions are seen of clicked rows
 * alone, and who
 * clicks is not just anyone. Two of the biases are of this kind, and the difference matters: one can be repaired from
 * what the log
 * has, the other can not.
 */
export interface Biases {
  /**
   * How much the log's own ranker knows: for each unit of the log odds of a click, an item's log odds of a better place
   * rise by so
   * much. Good places then go to what would be clicked anyway (Joachims et al. 2005,
   * https://doi.org/10.1145/1076034.1076063).
   */
  readonly position: number;
  /**
   * The share of the log odds of a purchase that the log odds of a click have too: who would buy clicks. All of it is
   * in the features.
   */
  readonly selection: number;
  /** Log odds of both a click and a purchase by a need of the moment, standard normal, that no column tells of. */
  readonly confounder: number;
}

/** A log that tells the truth. */
export const NO_BIASES: Biases = { position: 0, selection: 0, confounder: 0 };

/** Where an item stands, and what is likely there. */
export interface Encounter {
  /** From 1, the best. */
  position: number;
  /** Log odds before the intercepts, without the need of the moment. */
  click: number;
  purchase: number;
  /** What the need of the moment adds to both. */
  need: number;
}

/** Meetings whose mean is the middle of what the ranker knows. */
const SAMPLE = 10_000;

/**
 * How users meet items in a world whose log has biases; without them one random number is drawn, for the position.
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
      // Uniform without knowledge; with it, a good item's share of the places below it grows.
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

/** What can be known of a row by all that its columns say. */
export interface Chances {
  click: number;
  /** Of a purchase, given the click that was seen. */
  purchase: number;
  /** Of a purchase, were the item clicked whatever moved the user. */
  purchaseIfClicked: number;
}

/**
 * Places of the need of the moment, and the weight of each: a sum over them is the mean over a standard normal to 12
 * digits.
 */
const NODES = Array.from({ length: 25 }, (_, i) => (i - 12) / 2);
const WEIGHTS = NODES.map((node) => (Math.exp((-node * node) / 2) / Math.sqrt(2 * Math.PI)) * 0.5);

/**
 * The chances of a row, with the need of the moment averaged out; after a click it is likely to be a great one, and
 * that is why
 * the two chances of a purchase differ.
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

/** The probability of some log odds. */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
