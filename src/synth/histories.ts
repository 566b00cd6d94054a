import { randomStream, type Random } from '../core/random.js';
import { sigmoid } from './biases.js';
import { createImpressions, solveIntercepts, type Impressions, type Rates } from './impressions.js';
import { popular, type Effects } from './world.js';

// A log in which a click depends on how the candidate matches the user's recent items. One stream of impressions in
// order of time: what a user clicks becomes part of the history of later rows.

/** Items in the history of a row at most, by default; the newest are kept. */
export const MAX_HISTORY = 200;
/** Items per category, and interests per user. */
const [CATEGORY_ITEMS, INTERESTS] = [40, 3];
/** Shape and scale of the first lengths of histories of the default maximum: a power law with a median of 13 items. */
const LENGTHS = { shape: 1.1, scale: 7 } as const;
/** Probabilities per impression: a changed interest, an item from elsewhere, a candidate of the user's interests. */
const [DRIFT, ELSEWHERE, RELEVANT] = [0.05, 0.3, 0.5];
/** Factor of an item's influence per newer item in a history of the default maximum. */
const RECENCY = 0.9;
/** Items within which a repeated item counts. */
const REPEAT_ITEMS = 10;
/** Mean seconds between two impressions, and maximum between two items of a first history. */
const [IMPRESSION_SECONDS, HISTORY_SECONDS] = [2, 1800];
/** Seconds since 1970 of the first impression. */
const START = 1_790_000_000;
/** Impressions from which intercepts are fitted. */
const SAMPLE = 10_000;

export interface Catalog {
  readonly category: Uint32Array;
  /** Price in hundredths of the currency. */
  readonly price: Uint32Array;
  readonly quality: Float64Array;
  readonly itemsOf: readonly (readonly number[])[];
}

/** History of a user, oldest item first. */
export interface History {
  readonly items: number[];
  /** Time in seconds since 1970. */
  readonly times: number[];
}

/**
 * An impression's columns next to the columns of `Impressions`: the time of the row, and the user's history before it.
 */
export interface HistoryRow {
  readonly time: number;
  readonly history: History;
}

interface User {
  readonly interests: number[];
  readonly history: History;
}

/** Receives each event of a user, who sees an item at a time in seconds since 1970. */
export type OnEvent = (user: number, item: number, time: number, catalog: Catalog) => void;

/** Sizes of a log with histories. */
export interface HistorySize {
  readonly seed: number;
  readonly users: number;
  readonly items: number;
  readonly rates: Rates;
  /** Maximum number of items of a history, to which lengths and the memory of clicks are proportional; default: 200. */
  readonly historyItems?: number | undefined;
}

/** A log with histories, which is generated once, from its first row on. */
export class HistoryLog {
  readonly catalog: Catalog;
  readonly #random: Random;
  readonly #historyItems: number;
  readonly #users: readonly User[];
  readonly #intercepts: Effects;
  readonly #onEvent: OnEvent;
  #time = START;

  constructor(
    { seed, users, items, rates, historyItems = MAX_HISTORY }: HistorySize,
    onEvent: OnEvent = () => undefined,
  ) {
    this.#historyItems = historyItems;
    this.#onEvent = onEvent;
    this.catalog = createCatalog(randomStream(seed, 'catalog'), items);
    const random = randomStream(seed, 'first histories');
    this.#users = Array.from({ length: users }, () => createUser(random, this.catalog, historyItems));
    for (const [user, { history }] of this.#users.entries())
      for (const [i, item] of history.items.entries()) onEvent(user, item, history.times[i]!, this.catalog);
    this.#random = randomStream(seed, 'impressions with histories');
    this.#intercepts = this.#fitIntercepts(randomStream(seed, 'intercepts'), rates);
  }

  /**
   * Generates the next rows in blocks.
   * @param onRow receives each row of a block as its history is before the impression
   */
  *draw(rows: number, onRow: (block: Impressions, row: number, of: HistoryRow) => void): Generator<Impressions> {
    const block = createImpressions();
    const capacity = block.user.length;
    for (let left = rows; left > 0; left -= block.rows) {
      block.rows = Math.min(left, capacity);
      for (let row = 0; row < block.rows; row++) this.#drawRow(block, row, onRow);
      yield block;
    }
  }

  #drawRow(block: Impressions, row: number, onRow: (block: Impressions, row: number, of: HistoryRow) => void): void {
    const random = this.#random;
    this.#time += 1 + random.below(2 * IMPRESSION_SECONDS - 1);
    const index = random.below(this.#users.length);
    const user = this.#users[index]!;
    const item = drawCandidate(random, this.catalog, user);
    const odds = scoreItem(this.catalog, user.history, item, this.#historyItems);
    const click = sigmoid(this.#intercepts.click + odds.click);
    const purchase = sigmoid(this.#intercepts.purchase + odds.purchase);
    const isClick = random.uniform() < click;
    const wouldPurchase = random.uniform() < purchase;
    block.user[row] = index;
    block.item[row] = item;
    block.position[row] = 1;
    block.clickProbability[row] = click;
    block.purchaseProbability[row] = block.purchaseIfClickedProbability[row] = purchase;
    block.click[row] = Number(isClick);
    block.purchase[row] = Number(isClick && wouldPurchase);
    block.purchaseIfClicked[row] = Number(wouldPurchase);
    onRow(block, row, { time: this.#time, history: user.history });
    const seen = isClick ? item : random.uniform() < ELSEWHERE ? drawItem(random, this.catalog, user) : undefined;
    if (seen !== undefined) {
      append(user.history, seen, this.#time, this.#historyItems);
      this.#onEvent(index, seen, this.#time, this.catalog);
    }
    if (random.uniform() < DRIFT) user.interests[random.below(INTERESTS)] = drawCategory(random, this.catalog);
  }

  #fitIntercepts(random: Random, rates: Rates): Effects {
    const scores = Array.from({ length: SAMPLE }, (): Effects => {
      const user = this.#users[random.below(this.#users.length)]!;
      return scoreItem(this.catalog, user.history, drawCandidate(random, this.catalog, user), this.#historyItems);
    });
    return solveIntercepts(scores, rates);
  }
}

/**
 * Computes the log odds without intercepts. Recent items of the candidate's category raise clicks; a candidate that is
 * cheaper than they are raises purchases.
 */
function scoreItem(
  { category, price, quality }: Catalog,
  { items }: History,
  item: number,
  historyItems: number,
): Effects {
  let [match, repeats, logPrices] = [0, 0, 0];
  const scale = historyItems / MAX_HISTORY;
  const recency = RECENCY ** (1 / scale);
  for (let rank = 0, weight = 1 / scale; rank < items.length; rank++, weight *= recency) {
    const other = items[items.length - 1 - rank]!;
    if (other === item && rank < REPEAT_ITEMS) repeats = 1;
    if (category[other] !== category[item]) continue;
    match += weight;
    logPrices += weight * Math.log(price[other]!);
  }
  const saving = match === 0 ? 0 : logPrices / match - Math.log(price[item]!);
  return {
    click: 4 * (1 - Math.exp(-match)) + repeats + quality[item]!,
    purchase: 2 * Math.tanh(saving) + repeats + 0.5 * quality[item]!,
  };
}

function createCatalog(random: Random, items: number): Catalog {
  const numCategories = Math.max(2, Math.round(items / CATEGORY_ITEMS));
  const category = Uint32Array.from({ length: items }, (_, item) => item % numCategories);
  const itemsOf = Array.from({ length: numCategories }, (): number[] => []);
  for (const [item, each] of category.entries()) itemsOf[each]!.push(item);
  return {
    category,
    price: Uint32Array.from({ length: items }, () => Math.round(2000 * Math.exp(0.7 * random.normal())) + 1),
    quality: Float64Array.from({ length: items }, () => 0.4 * random.normal()),
    itemsOf,
  };
}

function createUser(random: Random, catalog: Catalog, historyItems: number): User {
  const user: User = {
    interests: Array.from({ length: INTERESTS }, () => drawCategory(random, catalog)),
    history: { items: [], times: [] },
  };
  const { shape } = LENGTHS;
  const scale = (LENGTHS.scale * historyItems) / MAX_HISTORY;
  const length = Math.min(historyItems, Math.floor(scale * ((1 - random.uniform()) ** (-1 / shape) - 1)));
  let time = START - HISTORY_SECONDS * length;
  for (let i = 0; i < length; i++) {
    append(user.history, drawItem(random, catalog, user), time, historyItems);
    time += 1 + random.below(HISTORY_SECONDS);
  }
  return user;
}

function append({ items, times }: History, item: number, time: number, historyItems: number): void {
  items.push(item);
  times.push(time);
  if (items.length > historyItems) {
    items.shift();
    times.shift();
  }
}

/** Draws a popular category. */
function drawCategory(random: Random, { itemsOf }: Catalog): number {
  return popular(random, itemsOf.length);
}

/** Draws what a user looks at: an item of an interest, or a popular one. */
function drawItem(random: Random, catalog: Catalog, { interests }: User): number {
  if (random.uniform() < 0.3) return popular(random, catalog.category.length);
  const items = catalog.itemsOf[interests[random.below(INTERESTS)]!]!;
  return items[popular(random, items.length)]!;
}

function drawCandidate(random: Random, catalog: Catalog, user: User): number {
  return random.uniform() < RELEVANT ? drawItem(random, catalog, user) : popular(random, catalog.category.length);
}
