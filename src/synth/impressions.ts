import { randomStream, type Random } from '../core/random.js';
import { computeChances, sampleEncounters, sigmoid, type Biases, type Chances, type Encounter } from './biases.js';
import { popular, type Effects, type World } from './world.js';

/** Impressions with true probabilities and outcomes as columns, of which the first `rows` rows are filled. */
export interface Impressions {
  rows: number;
  /** Index in the world's columns, from 0. */
  readonly user: Uint32Array;
  readonly item: Uint32Array;
  /** From 1, the best. */
  readonly position: Uint8Array;
  /** True probability of a click. */
  readonly clickProbability: Float32Array;
  /** True probability of a purchase after the observed click. */
  readonly purchaseProbability: Float32Array;
  /** True probability of a purchase under a forced click; differs if there is a confounder. */
  readonly purchaseIfClickedProbability: Float32Array;
  /** Labels, either 0 or 1. */
  readonly click: Float32Array;
  /** 1 only after a click. */
  readonly purchase: Float32Array;
  /** Whether a forced click would lead to a purchase, which no log observes. */
  readonly purchaseIfClicked: Float32Array;
}

/** A world with the biases of a log. */
export interface Shown {
  readonly world: World;
  readonly biases: Biases;
  readonly intercepts: Effects;
  readonly meet: ReturnType<typeof sampleEncounters>;
}

/** Target rates: clicks per impression, purchases per click. */
export type Rates = Effects;

const BLOCK_ROWS = 1 << 13;

/** Creates an empty block. */
export function createImpressions(capacity = BLOCK_ROWS): Impressions {
  return {
    rows: 0,
    user: new Uint32Array(capacity),
    item: new Uint32Array(capacity),
    position: new Uint8Array(capacity),
    clickProbability: new Float32Array(capacity),
    purchaseProbability: new Float32Array(capacity),
    purchaseIfClickedProbability: new Float32Array(capacity),
    click: new Float32Array(capacity),
    purchase: new Float32Array(capacity),
    purchaseIfClicked: new Float32Array(capacity),
  };
}

/** Creates a log of a world with the given rates. */
export function show(world: World, seed: number, rates: Rates, biases: Biases): Shown {
  const meet = sampleEncounters(world, seed, biases);
  return { world, biases, meet, intercepts: fitIntercepts(world, seed, rates, meet) };
}

/** Creates another log of the same world; its rates may differ, since users behave as before. */
export function relog({ world, intercepts }: Shown, seed: number, biases: Biases): Shown {
  return { world, biases, intercepts, meet: sampleEncounters(world, seed, biases) };
}

/**
 * Generates impressions in blocks; a block is valid until the next one.
 * @param split purpose of the random stream: splits never share one
 */
export function* drawImpressions(shown: Shown, seed: number, split: string, rows: number): Generator<Impressions> {
  const random = randomStream(seed, 'impressions', split);
  const block = createImpressions();
  for (let left = rows; left > 0; left -= block.rows) {
    block.rows = Math.min(left, BLOCK_ROWS);
    for (let row = 0; row < block.rows; row++)
      drawImpression(shown, random, random.below(shown.world.users.count), block, row);
    yield block;
  }
}

const encounter: Encounter = { position: 1, click: 0, purchase: 0, need: 0 };
const chances: Chances = { click: 0, purchase: 0, purchaseIfClicked: 0 };

/** Generates one impression and its outcome. */
export function drawImpression(
  { world, biases: { confounder }, intercepts, meet }: Shown,
  random: Random,
  user: number,
  block: Impressions,
  row: number,
): void {
  const item = popular(random, world.items.count);
  meet(random, user, item, encounter);
  const { position, need } = encounter;
  const click = intercepts.click + encounter.click;
  const purchase = intercepts.purchase + encounter.purchase;
  computeChances(click, purchase, confounder, chances);
  const isClick = random.uniform() < sigmoid(click + need);
  const wouldPurchase = random.uniform() < sigmoid(purchase + need);
  block.user[row] = user;
  block.item[row] = item;
  block.position[row] = position;
  block.clickProbability[row] = chances.click;
  block.purchaseProbability[row] = chances.purchase;
  block.purchaseIfClickedProbability[row] = chances.purchaseIfClicked;
  block.click[row] = isClick ? 1 : 0;
  block.purchase[row] = isClick && wouldPurchase ? 1 : 0;
  block.purchaseIfClicked[row] = wouldPurchase ? 1 : 0;
}

/** Finds intercepts for the target rates, by bisection over a sample of impressions. */
function fitIntercepts(world: World, seed: number, rates: Rates, meet: Shown['meet']): Effects {
  const random = randomStream(seed, 'intercepts');
  const scores = Array.from({ length: 10_000 }, () => {
    const user = random.below(world.users.count);
    meet(random, user, popular(random, world.items.count), encounter);
    return { click: encounter.click + encounter.need, purchase: encounter.purchase + encounter.need };
  });
  return solveIntercepts(scores, rates);
}

/** Finds the intercepts that give impressions with these log odds the target rates. */
export function solveIntercepts(scores: readonly Effects[], rates: Rates): Effects {
  const click = solve(
    scores,
    (score) => score.click,
    () => 1,
    rates.click,
  );
  // Purchases are counted among clicks, so each impression is weighted by its click probability.
  const purchase = solve(
    scores,
    (score) => score.purchase,
    (score) => sigmoid(click + score.click),
    rates.purchase,
  );
  return { click, purchase };
}

/** Finds the intercept for a target rate, by bisection; rows count by their weights. */
function solve(
  scores: readonly Effects[],
  getScore: (score: Effects) => number,
  getWeight: (score: Effects) => number,
  rate: number,
): number {
  const weights = scores.map(getWeight);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let low = -20;
  let high = 20;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    const mean = scores.reduce((sum, score, s) => sum + weights[s]! * sigmoid(middle + getScore(score)), 0) / total;
    if (mean < rate) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
