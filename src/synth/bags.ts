import { mix, streamKey } from '../core/random.js';
import { FAVORITES, NUM_KINDS, type World } from './world.js';

/** Maximum number of values per field and row in Ali-CCP. */
export const MAX_BAG = 1001;
/** Minimum weight of favorites and maximum of others, in ten-thousandths: a cap keeps what the truth depends on. */
const FAVORITE_WEIGHT = 40_000;

/** Values of one field of one row: the first `count` ids and weights. Ids are distinct; weights are ten-thousandths. */
export interface Bag {
  count: number;
  readonly ids: Uint32Array;
  readonly weights: Uint32Array;
}

/** Generates bags, which depend only on the seed, the user or item, and the kind. */
export interface BagSource {
  /** Returns a user's history: the favorites, then others, with a mean of `mean` values. */
  history(user: number, kind: number): Bag;
  /** Returns an id with a weight, and a few others of its kind. */
  around(id: number, weight: number, kind: number): Bag;
}

/** Creates bags for a world with a mean of `mean` history values; each call reuses the memory of the last. */
export function createBagSource(world: World, seed: number, mean: number): BagSource {
  const { users, kindSizes, favoriteSizes } = world;
  const bag: Bag = { count: 0, ids: new Uint32Array(MAX_BAG), weights: new Uint32Array(MAX_BAG) };
  const keys = Array.from({ length: NUM_KINDS }, (_, kind) => streamKey(seed, 'bag', kind));
  // Number of the last bag that contains an id, so that no bag contains an id twice.
  const stamps = Array.from(kindSizes, (size, kind) => new Uint32Array(Math.max(size, favoriteSizes[kind]!) + 1));
  let stamp = 0;

  const add = (kind: number, id: number, weight: number): void => {
    const stampById = stamps[kind]!;
    if (stampById[id] === stamp || bag.count === MAX_BAG) return;
    stampById[id] = stamp;
    bag.ids[bag.count] = id;
    bag.weights[bag.count++] = weight;
  };
  const start = (): void => {
    bag.count = 0;
    stamp++;
  };
  /** Adds an exponentially distributed number of values: most bags are short, a few reach the limit. */
  const addTail = (kind: number, key: number, tailMean: number, size: number): void => {
    const count = Math.floor(-(tailMean + 0.5) * Math.log(1 - share(key, 0)));
    for (let i = 0; i < count && bag.count < MAX_BAG; i++) {
      const weight = 1 + Math.floor((FAVORITE_WEIGHT - 2) * share(key, 2 * i + 1) ** 2);
      add(kind, 1 + Math.floor(size * share(key, 2 * i + 2) ** 2), weight);
    }
  };

  return {
    history(user, kind) {
      start();
      for (let j = 0; j < FAVORITES; j++) {
        const strength = Math.round((users.activity[user]! * 10_000) / (j + 1));
        add(kind, users.favorites[(user * NUM_KINDS + kind) * FAVORITES + j]!, FAVORITE_WEIGHT + strength);
      }
      addTail(kind, mix(keys[kind]! ^ mix(user + 1)), Math.max(0, mean - FAVORITES), favoriteSizes[kind]!);
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

/** Returns the i-th number of a key, uniform on [0, 1). */
function share(key: number, i: number): number {
  return mix(key + Math.imul(i, 0x9e3779b1)) / 0x100000000;
}
