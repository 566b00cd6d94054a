import { mix, streamKey } from '../core/random.js';
import { FAVOURITES, NUM_KINDS, type World } from './world.js';

/** The most values that a field of Ali-CCP holds in a row. */
export const MAX_BAG = 1001;
/** Favourites weigh this and more, all else less, in ten-thousandths: a cap keeps what the truth depends on. */
const FAVOURITE_WEIGHT = 40_000;

/**
 * The values of one field of one row: `count` of ids and weights are filled. Ids are distinct; weights are
 * ten-thousandths.
 */
export interface Bag {
  count: number;
  readonly ids: Uint32Array;
  readonly weights: Uint32Array;
}

/** Draws bags. What a user's or an item's bag holds depends on the seed, on it and on the kind alone. */
export interface BagSource {
  /** All that a user has a history with: the favourites, then a tail of others, on average `mean` values. */
  history(user: number, kind: number): Bag;
  /** An id with a weight, and a few more of its kind that go with it. */
  around(id: number, weight: number, kind: number): Bag;
}

/** Bags for a world, about `mean` values in a history; the next one takes the place of the last. */
export function createBagSource(world: World, seed: number, mean: number): BagSource {
  const { users, kindSizes, favouriteSizes } = world;
  const bag: Bag = { count: 0, ids: new Uint32Array(MAX_BAG), weights: new Uint32Array(MAX_BAG) };
  const keys = Array.from({ length: NUM_KINDS }, (_, kind) => streamKey(seed, 'bag', kind));
  // The number of the bag that an id was last put into, so that no bag holds an id twice.
  const stamps = Array.from(kindSizes, (size, kind) => new Uint32Array(Math.max(size, favouriteSizes[kind]!) + 1));
  let stamp = 0;

  const add = (kind: number, id: number, weight: number): void => {
    const seen = stamps[kind]!;
    if (seen[id] === stamp || bag.count === MAX_BAG) return;
    seen[id] = stamp;
    bag.ids[bag.count] = id;
    bag.weights[bag.count++] = weight;
  };
  const start = (): void => {
    bag.count = 0;
    stamp++;
  };
  /** About `mean` values beyond the first, exponentially distributed: most bags are short, a few reach the limit. */
  const addTail = (kind: number, key: number, tailMean: number, size: number): void => {
    const count = Math.floor(-(tailMean + 0.5) * Math.log(1 - share(key, 0)));
    for (let i = 0; i < count && bag.count < MAX_BAG; i++) {
      const weight = 1 + Math.floor((FAVOURITE_WEIGHT - 2) * share(key, 2 * i + 1) ** 2);
      add(kind, 1 + Math.floor(size * share(key, 2 * i + 2) ** 2), weight);
    }
  };

  return {
    history(user, kind) {
      start();
      for (let j = 0; j < FAVOURITES; j++) {
        const strength = Math.round((users.activity[user]! * 10_000) / (j + 1));
        add(kind, users.favourites[(user * NUM_KINDS + kind) * FAVOURITES + j]!, FAVOURITE_WEIGHT + strength);
      }
      addTail(kind, mix(keys[kind]! ^ mix(user + 1)), Math.max(0, mean - FAVOURITES), favouriteSizes[kind]!);
      return bag;
    },
    around(id, weight, kind) {
      start();
      add(kind, id, weight);
      addTail(kind, mix(keys[kind]! ^ mix(0x80000000 + id)), 1, kindSizes[kind]!);
      return bag;
    },
  };
}

/** The i-th number of a key, uniform on [0, 1). */
function share(key: number, i: number): number {
  return mix(key + Math.imul(i, 0x9e3779b1)) / 0x100000000;
}
