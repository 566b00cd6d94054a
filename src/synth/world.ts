import { randomStream, type Random } from '../core/random.js';

/** Number of users and items; ids start at 1, and 0 is the OOV id. */
export interface WorldSize {
  readonly users: number;
  readonly items: number;
}

/** Properties that items share and users have a history with, in column order. */
export const KINDS = ['category', 'shop', 'intention', 'brand'] as const;
export type Kind = (typeof KINDS)[number];
/** Column index of each kind. */
export const KIND_AT: Readonly<Record<Kind, number>> = { category: 0, shop: 1, intention: 2, brand: 3 };
export const NUM_KINDS = KINDS.length;

/** Profile fields 121, 122, 124 … 128. */
export const NUM_PROFILE = 7;
/** Favorites per user and kind. */
export const FAVORITES = 3;
const TASTE_DIMENSIONS = 4;

/** Parameters of a world. */
export interface WorldShape {
  /** Number of values of the profile fields 121, 122, 124 … 128. */
  readonly profile: readonly number[];
  /** Number of values of field 129. */
  readonly tiers: number;
  readonly positions: number;
  /** Categories, shops, intentions and brands per item; at least four of each. */
  readonly kinds: Readonly<Record<Kind, number>>;
  /** Those that users have a history with, per item. */
  readonly favorites: Readonly<Record<Kind, number>>;
}

/** Users as columns; user u has id u + 1. */
export interface Users {
  readonly count: number;
  /** NUM_PROFILE values per user, from 1. */
  readonly profile: Uint8Array;
  /** FAVORITES ids per user and kind, most frequent first. */
  readonly favorites: Uint32Array;
  /** Activity from 0 to 1. */
  readonly activity: Float64Array;
  /** Log odds of a click and of a purchase after it. */
  readonly bias: Float64Array;
}

/** Items as columns; item i has id i + 1. */
export interface Items {
  readonly count: number;
  /** Value of field 129, from 1. */
  readonly tier: Uint8Array;
  /** One id per item and kind. */
  readonly kinds: Uint32Array;
  readonly bias: Float64Array;
}

/** Contribution to the log odds of a click, and of a purchase after a click. */
export interface Effects {
  readonly click: number;
  readonly purchase: number;
}

/** The planted truth: users, items, and their click and purchase probabilities. */
export interface World {
  readonly users: Users;
  readonly items: Items;
  readonly numPositions: number;
  /** Number of values per kind, and of those that users have a history with. */
  readonly kindSizes: Uint32Array;
  readonly favoriteSizes: Uint32Array;
  /** Writes the log odds of a click and of a purchase after it, without intercepts, to `odds`. */
  score(user: number, item: number, position: number, odds: Float64Array): void;
}

/**
 * Creates a world. Effects: the user's profile; the item's category, brand and price tier; their match (history with
 * the category or shop, the profile's taste for the category); the position, for the click only; and small individual
 * effects of users and items.
 */
export function createWorld(seed: number, { users: numUsers, items: numItems }: WorldSize, shape: WorldShape): World {
  const stream = (purpose: string): Random => randomStream(seed, 'world', purpose);
  const sized = (shares: Readonly<Record<Kind, number>>): Uint32Array =>
    Uint32Array.from(KINDS, (kind) => Math.max(4, Math.round(shares[kind] * numItems)));
  const kindSizes = sized(shape.kinds);
  const favoriteSizes = sized(shape.favorites);

  const profileEffects = shape.profile.map((size, f) =>
    sampleEffects(stream(`profile ${f}`), size, { click: 0.3, purchase: 0.3 }),
  );
  const categoryEffects = sampleEffects(stream('category'), kindSizes[KIND_AT.category]!, {
    click: 0.5,
    purchase: 0.4,
  });
  const brandEffects = sampleEffects(stream('brand'), kindSizes[KIND_AT.brand]!, { click: 0.2, purchase: 0.4 });
  const tierEffects = sampleEffects(stream('tier'), shape.tiers, { click: 0.2, purchase: 0.5 });
  // Only the first profile field has a taste, so that a single cross of two fields carries it.
  const profileTastes = sampleVectors(stream('profile taste'), shape.profile[0]!);
  const categoryTastes = sampleVectors(stream('category taste'), kindSizes[KIND_AT.category]!);

  const users = makeUsers(stream('users'), numUsers, shape.profile, favoriteSizes);
  const items = makeItems(stream('items'), numItems, shape.tiers, kindSizes);
  return {
    users,
    items,
    numPositions: shape.positions,
    kindSizes,
    favoriteSizes,
    score(user, item, position, odds) {
      const category = items.kinds[item * NUM_KINDS + KIND_AT.category]! - 1;
      const brand = items.kinds[item * NUM_KINDS + KIND_AT.brand]! - 1;
      const tier = items.tier[item]! - 1;
      const tasteAt = (users.profile[user * NUM_PROFILE]! - 1) * TASTE_DIMENSIONS;
      let taste = 0;
      for (let d = 0; d < TASTE_DIMENSIONS; d++)
        taste += profileTastes[tasteAt + d]! * categoryTastes[category * TASTE_DIMENSIONS + d]!;
      const knowsCategory = favoriteAt(users, user, KIND_AT.category, category + 1) < 0 ? 0 : 1;
      const knowsShop =
        favoriteAt(users, user, KIND_AT.shop, items.kinds[item * NUM_KINDS + KIND_AT.shop]!) < 0 ? 0 : 1;
      for (let outcome = 0; outcome < 2; outcome++) {
        let sum = 0;
        for (let f = 0; f < NUM_PROFILE; f++)
          sum += profileEffects[f]![2 * (users.profile[user * NUM_PROFILE + f]! - 1) + outcome]!;
        sum += categoryEffects[2 * category + outcome]!;
        sum += brandEffects[2 * brand + outcome]!;
        sum += tierEffects[2 * tier + outcome]!;
        sum += users.bias[2 * user + outcome]!;
        sum += items.bias[2 * item + outcome]!;
        odds[outcome] = sum;
      }
      odds[0] = odds[0]! + 0.8 * taste + 0.9 * knowsCategory + 0.4 * knowsShop - 0.4 * (position - 1);
      odds[1] = odds[1]! + 0.6 * taste + 0.5 * knowsCategory + 0.9 * knowsShop;
    },
  };
}

/** Returns the index of an id among a user's favorites of a kind; -1 if it is not one. */
export function favoriteAt({ favorites }: Users, user: number, kind: number, id: number): number {
  const first = (user * NUM_KINDS + kind) * FAVORITES;
  for (let j = 0; j < FAVORITES; j++) if (favorites[first + j] === id) return j;
  return -1;
}

function makeUsers(random: Random, count: number, profileSizes: readonly number[], sizes: Uint32Array): Users {
  const users = {
    count,
    profile: new Uint8Array(count * NUM_PROFILE),
    favorites: new Uint32Array(count * NUM_KINDS * FAVORITES),
    activity: new Float64Array(count),
    bias: new Float64Array(count * 2),
  };
  for (let u = 0; u < count; u++) {
    for (let f = 0; f < NUM_PROFILE; f++) users.profile[u * NUM_PROFILE + f] = 1 + random.below(profileSizes[f]!);
    for (let k = 0; k < NUM_KINDS; k++) {
      for (let j = 0; j < FAVORITES; j++)
        users.favorites[(u * NUM_KINDS + k) * FAVORITES + j] = 1 + popular(random, sizes[k]!);
    }
    users.activity[u] = random.uniform();
    users.bias[2 * u] = 0.2 * random.normal();
    users.bias[2 * u + 1] = 0.2 * random.normal();
  }
  return users;
}

function makeItems(random: Random, count: number, tiers: number, sizes: Uint32Array): Items {
  const items = {
    count,
    tier: new Uint8Array(count),
    kinds: new Uint32Array(count * NUM_KINDS),
    bias: new Float64Array(count * 2),
  };
  for (let i = 0; i < count; i++) {
    items.tier[i] = 1 + random.below(tiers);
    for (let k = 0; k < NUM_KINDS; k++) items.kinds[i * NUM_KINDS + k] = 1 + popular(random, sizes[k]!);
    items.bias[2 * i] = 0.25 * random.normal();
    items.bias[2 * i + 1] = 0.2 * random.normal();
  }
  return items;
}

/** Samples from 0 … n - 1, with smaller numbers more often. */
export function popular(random: Random, n: number): number {
  return Math.floor(n * random.uniform() ** 2);
}

/** Samples pairs of effects on click and purchase. */
function sampleEffects(random: Random, count: number, deviation: Effects): Float64Array {
  const effects = new Float64Array(2 * count);
  for (let i = 0; i < count; i++) {
    effects[2 * i] = deviation.click * random.normal();
    effects[2 * i + 1] = deviation.purchase * random.normal();
  }
  return effects;
}

function sampleVectors(random: Random, count: number): Float64Array {
  return new Float64Array(count * TASTE_DIMENSIONS).map(() => random.normal() / Math.sqrt(TASTE_DIMENSIONS));
}
