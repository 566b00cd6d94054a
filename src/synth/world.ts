import { randomStream, type Random } from '../random.js';

/** How many of each there are; ids run from 1, and 0 is the unknown. */
export interface WorldSize {
  readonly users: number;
  readonly items: number;
}

/** Values of the profile fields 121, 122, 124 … 128: Ali-CCP's own numbers, but for the 98 of field 121. */
const PROFILE_SIZES = [20, 14, 3, 8, 4, 4, 3] as const;
/** Categories, shops, intentions and brands for every item, at the least. */
const KINDS = { category: 0.05, shop: 0.25, intention: 0.075, brand: 0.125 } as const;
const POSITIONS = 3;
const TASTE_DIMENSIONS = 4;
/** Things of one kind that a user has a history with. */
const FAVOURITES = 3;

export type Kind = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as Kind[];

/** Someone who is shown items. */
export interface User {
  readonly id: number;
  /** Values of the profile fields, from 1. */
  readonly profile: readonly number[];
  /** By kind: what they have a history with, the most frequent first. */
  readonly favourites: Readonly<Record<Kind, readonly number[]>>;
  /** How much they do, from 0 to 1. */
  readonly activity: number;
  readonly bias: Effects;
}

/** Something that is shown. */
export interface Item {
  readonly id: number;
  /** Value of field 129, from 1. */
  readonly tier: number;
  readonly kinds: Readonly<Record<Kind, number>>;
  readonly bias: Effects;
}

/** A contribution to the log odds of a click, and of a purchase after a click. */
export interface Effects {
  readonly click: number;
  readonly purchase: number;
}

/** The planted truth: who there is, and how likely each clicks and buys what. */
export interface World {
  readonly users: readonly User[];
  readonly items: readonly Item[];
  readonly numPositions: number;
  /** Log odds before the intercepts. */
  score(user: User, item: Item, position: number): Effects;
}

/**
 * Makes a world: effects of the user's profile, of the item's category, brand and price tier, of their meeting (history with
 * the item's category or shop, taste of the profile for the category), of the position on the click alone, and a little of
 * each user and item themselves.
 */
export function createWorld(seed: number, { users: numUsers, items: numItems }: WorldSize): World {
  const stream = (purpose: string): Random => randomStream(seed, 'world', purpose);
  const sizes = Object.fromEntries(KIND_NAMES.map((kind) => [kind, Math.max(4, Math.round(KINDS[kind] * numItems))])) as Record<Kind, number>;

  const profileEffects = PROFILE_SIZES.map((size, f) => effectsOf(stream(`profile ${f}`), size, { click: 0.3, purchase: 0.3 }));
  const categoryEffects = effectsOf(stream('category'), sizes.category, { click: 0.5, purchase: 0.4 });
  const brandEffects = effectsOf(stream('brand'), sizes.brand, { click: 0.2, purchase: 0.4 });
  const tierEffects = effectsOf(stream('tier'), 5, { click: 0.2, purchase: 0.5 });
  // Only the first profile field has a taste, so that one cross of two fields carries it.
  const profileTastes = vectorsOf(stream('profile taste'), PROFILE_SIZES[0]);
  const categoryTastes = vectorsOf(stream('category taste'), sizes.category);

  return {
    users: makeUsers(stream('users'), numUsers, sizes),
    items: makeItems(stream('items'), numItems, sizes),
    numPositions: POSITIONS,
    score(user, item, position) {
      const parts = [
        ...user.profile.map((value, f) => profileEffects[f]![value - 1]!),
        categoryEffects[item.kinds.category - 1]!,
        brandEffects[item.kinds.brand - 1]!,
        tierEffects[item.tier - 1]!,
        user.bias,
        item.bias,
      ];
      const taste = dot(profileTastes[user.profile[0]! - 1]!, categoryTastes[item.kinds.category - 1]!);
      const knowsCategory = user.favourites.category.includes(item.kinds.category) ? 1 : 0;
      const knowsShop = user.favourites.shop.includes(item.kinds.shop) ? 1 : 0;
      return {
        click: sum(parts, 'click') + 0.8 * taste + 0.9 * knowsCategory + 0.4 * knowsShop - 0.4 * (position - 1),
        purchase: sum(parts, 'purchase') + 0.6 * taste + 0.5 * knowsCategory + 0.9 * knowsShop,
      };
    },
  };
}

function makeUsers(random: Random, count: number, sizes: Readonly<Record<Kind, number>>): User[] {
  return Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    profile: PROFILE_SIZES.map((size) => 1 + random.below(size)),
    favourites: Object.fromEntries(KIND_NAMES.map((kind) => [kind, Array.from({ length: FAVOURITES }, () => 1 + popular(random, sizes[kind]))])) as Record<Kind, number[]>,
    activity: random.uniform(),
    bias: { click: 0.2 * random.normal(), purchase: 0.2 * random.normal() },
  }));
}

function makeItems(random: Random, count: number, sizes: Readonly<Record<Kind, number>>): Item[] {
  return Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    tier: 1 + random.below(5),
    kinds: Object.fromEntries(KIND_NAMES.map((kind) => [kind, 1 + popular(random, sizes[kind])])) as Record<Kind, number>,
    bias: { click: 0.25 * random.normal(), purchase: 0.2 * random.normal() },
  }));
}

/** 0 … n - 1, the first ones more often. */
export function popular(random: Random, n: number): number {
  return Math.floor(n * random.uniform() ** 2);
}

function effectsOf(random: Random, count: number, deviation: Effects): Effects[] {
  return Array.from({ length: count }, () => ({ click: deviation.click * random.normal(), purchase: deviation.purchase * random.normal() }));
}

function vectorsOf(random: Random, count: number): number[][] {
  return Array.from({ length: count }, () => Array.from({ length: TASTE_DIMENSIONS }, () => random.normal() / Math.sqrt(TASTE_DIMENSIONS)));
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((total, value, i) => total + value * b[i]!, 0);
}

function sum(parts: readonly Effects[], outcome: keyof Effects): number {
  return parts.reduce((total, part) => total + part[outcome], 0);
}
