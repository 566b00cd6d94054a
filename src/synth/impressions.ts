import { randomStream, type Random } from '../random.js';
import { KIND_NAMES, popular, type Effects, type Item, type Kind, type User, type World } from './world.js';

/** An item shown to a user, with what is true of it and what came of it. */
export interface Impression {
  readonly user: User;
  readonly item: Item;
  /** From 1, the best. */
  readonly position: number;
  /** True probability of a click. */
  readonly clickProbability: number;
  /** True probability of a purchase after a click. */
  readonly purchaseProbability: number;
  readonly click: boolean;
  /** Only after a click. */
  readonly purchase: boolean;
}

/** Shares that the data should have: clicks of impressions, purchases of clicks. */
export type Rates = Effects;

/**
 * Draws impressions from a world.
 * @param split names the stream of random numbers: two splits never share one
 */
export function* drawImpressions(world: World, seed: number, split: string, intercepts: Effects, rows: number): Generator<Impression> {
  const random = randomStream(seed, 'impressions', split);
  for (let row = 0; row < rows; row++) {
    const { user, item, position, score } = drawMeeting(world, random);
    const clickProbability = sigmoid(intercepts.click + score.click);
    const purchaseProbability = sigmoid(intercepts.purchase + score.purchase);
    const click = random.uniform() < clickProbability;
    const purchase = random.uniform() < purchaseProbability && click;
    yield { user, item, position, clickProbability, purchaseProbability, click, purchase };
  }
}

/** The intercepts that give the wanted rates, by bisection over a sample of meetings. */
export function fitIntercepts(world: World, seed: number, rates: Rates): Effects {
  const random = randomStream(seed, 'intercepts');
  const scores = Array.from({ length: 10_000 }, () => drawMeeting(world, random).score);
  const click = solve(scores, (score) => score.click, () => 1, rates.click);
  // Purchases are counted among clicks, so each meeting weighs as much as it is clicked.
  const purchase = solve(scores, (score) => score.purchase, (score) => sigmoid(click + score.click), rates.purchase);
  return { click, purchase };
}

/** The ids of a combination field's kinds, 0 where the user has no history with the item's. */
export function knownKinds({ user, item }: Impression): Readonly<Record<Kind, number>> {
  const known = KIND_NAMES.map((kind) => [kind, user.favourites[kind].includes(item.kinds[kind]) ? item.kinds[kind] : 0]);
  return Object.fromEntries(known) as Record<Kind, number>;
}

function drawMeeting(world: World, random: Random): { user: User; item: Item; position: number; score: Effects } {
  const user = world.users[random.below(world.users.length)]!;
  const item = world.items[popular(random, world.items.length)]!;
  const position = 1 + random.below(world.numPositions);
  return { user, item, position, score: world.score(user, item, position) };
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
