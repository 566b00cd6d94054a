import { randomStream, type Random } from '../random.js';
import { popular, type Effects, type World } from './world.js';

/** Items shown to users, with what is true of it and what came of it: a column a property, `rows` of each are filled. */
export interface Impressions {
  rows: number;
  /** Places in the world's columns, from 0. */
  readonly user: Uint32Array;
  readonly item: Uint32Array;
  /** From 1, the best. */
  readonly position: Uint8Array;
  /** True probability of a click. */
  readonly clickProbability: Float32Array;
  /** True probability of a purchase after a click. */
  readonly purchaseProbability: Float32Array;
  /** 0 or 1. */
  readonly click: Float32Array;
  /** 1 only after a click. */
  readonly purchase: Float32Array;
}

/** Shares that the data should have: clicks of impressions, purchases of clicks. */
export type Rates = Effects;

/** Rows that are drawn at a time. */
const BLOCK_ROWS = 1 << 13;

/** An empty block. */
export function createImpressions(capacity = BLOCK_ROWS): Impressions {
  return {
    rows: 0,
    user: new Uint32Array(capacity),
    item: new Uint32Array(capacity),
    position: new Uint8Array(capacity),
    clickProbability: new Float32Array(capacity),
    purchaseProbability: new Float32Array(capacity),
    click: new Float32Array(capacity),
    purchase: new Float32Array(capacity),
  };
}

/**
 * Draws impressions from a world, in blocks; a block is valid until the next one is asked for.
 * @param split names the stream of random numbers: two splits never share one
 */
export function* drawImpressions(world: World, seed: number, split: string, intercepts: Effects, rows: number): Generator<Impressions> {
  const random = randomStream(seed, 'impressions', split);
  const block = createImpressions();
  for (let left = rows; left > 0; left -= block.rows) {
    block.rows = Math.min(left, BLOCK_ROWS);
    for (let row = 0; row < block.rows; row++) drawImpression(world, random, intercepts, random.below(world.users.count), block, row);
    yield block;
  }
}

const odds = new Float64Array(2);

/** Shows a user an item and sees what comes of it. */
export function drawImpression(world: World, random: Random, intercepts: Effects, user: number, block: Impressions, row: number): void {
  const item = popular(random, world.items.count);
  const position = 1 + random.below(world.numPositions);
  world.score(user, item, position, odds);
  const clickProbability = sigmoid(intercepts.click + odds[0]!);
  const purchaseProbability = sigmoid(intercepts.purchase + odds[1]!);
  const isClick = random.uniform() < clickProbability;
  const isPurchase = random.uniform() < purchaseProbability && isClick;
  block.user[row] = user;
  block.item[row] = item;
  block.position[row] = position;
  block.clickProbability[row] = clickProbability;
  block.purchaseProbability[row] = purchaseProbability;
  block.click[row] = isClick ? 1 : 0;
  block.purchase[row] = isPurchase ? 1 : 0;
}

/** The intercepts that give the wanted rates, by bisection over a sample of meetings. */
export function fitIntercepts(world: World, seed: number, rates: Rates): Effects {
  const random = randomStream(seed, 'intercepts');
  const scores = Array.from({ length: 10_000 }, () => {
    const user = random.below(world.users.count);
    const item = popular(random, world.items.count);
    world.score(user, item, 1 + random.below(world.numPositions), odds);
    return { click: odds[0]!, purchase: odds[1]! };
  });
  const click = solve(scores, (score) => score.click, () => 1, rates.click);
  // Purchases are counted among clicks, so each meeting weighs as much as it is clicked.
  const purchase = solve(scores, (score) => score.purchase, (score) => sigmoid(click + score.click), rates.purchase);
  return { click, purchase };
}

function solve(scores: readonly Effects[], scoreOf: (score: Effects) => number, weightOf: (score: Effects) => number, rate: number): number {
  const weights = scores.map(weightOf);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let low = -20;
  let high = 20;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    const mean = scores.reduce((sum, score, s) => sum + weights[s]! * sigmoid(middle + scoreOf(score)), 0) / total;
    if (mean < rate) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
