import { mix, streamKey, type Random } from '../core/random.js';
import type { Bag, BagSource } from './bags.js';
import { ByteFile } from './byte-file.js';
import { COMBINATION_KINDS, HISTORY_KINDS, strength, type ImpressionFile } from './csv-rows.js';
import type { Impressions } from './impressions.js';
import { favoriteAt, KIND_AT, NUM_KINDS, NUM_PROFILE, type World } from './world.js';

// The raw format of Ali-CCP: a skeleton row contains an impression, and refers to the row of common features of its
// session.

const PROFILE_FIELDS = ['121', '122', '124', '125', '126', '127', '128'] as const;
const HISTORY_FIELDS = ['109_14', '110_14', '127_14', '150_14'] as const;
const COMBINATION_FIELDS = ['508', '509', '702', '853'] as const;

/** Maximum bytes of a feature, and of a row's prefix. */
const FEATURE_BYTES = 40;
const HEAD_BYTES = 96;
const [FEATURE_END, ID_START, VALUE_START, COMMA, LINE_END] = [1, 2, 3, 44, 10] as const;
const ONE = 10_000;

/** One in this many profile values is missing; one in this many sessions has no row. */
const MISSING_EVERY = 50;
const UNUSED_EVERY = 100;
/** One in this many rows is followed by a purchase without a click, as in the real data. */
const STRAY_EVERY = 500;

/** Raw ids, which are distinct across fields. */
export type RawIds = Readonly<Record<string, (id: number) => number>>;

/** Maps ids of the world to raw ids: each field's range follows the previous field's. */
export function assignRawIds({ users, items, kindSizes }: World, profileSizes: readonly number[]): RawIds {
  const sizes: [string, number][] = [
    ['101', users.count],
    ...PROFILE_FIELDS.map((field, f): [string, number] => [field, profileSizes[f]!]),
    ['129', 255],
    ['205', items.count],
    ['206', kindSizes[KIND_AT.category]!],
    ['207', kindSizes[KIND_AT.shop]!],
    ['210', kindSizes[KIND_AT.intention]!],
    ['216', kindSizes[KIND_AT.brand]!],
    ...COMBINATION_FIELDS.map((field, f): [string, number] => [field, kindSizes[COMBINATION_KINDS[f]!]!]),
    ['301', 255],
    ...HISTORY_FIELDS.map((field, f): [string, number] => [field, kindSizes[HISTORY_KINDS[f]!]!]),
  ];
  let first = 0;
  return Object.fromEntries(
    sizes.map(([field, size]) => {
      const offset = first;
      first += size;
      return [field, (id: number) => offset + id];
    }),
  );
}

/** Additional rows that `mtl prepare` must find and drop. */
export interface Strays {
  purchasesWithoutClick: number;
  unusedSessions: number;
  badRows: number;
}

/** Options of raw files. */
export interface RawOptions {
  readonly skeletonPath: string;
  readonly commonPath: string;
  readonly seed: number;
  readonly split: string;
  readonly bags: BagSource;
  readonly ids: RawIds;
  /** For the order of features. */
  readonly random: Random;
  /** One invalid row after this many rows, with a wrong feature count or an unknown session; 0 for none. */
  readonly badEvery: number;
  readonly capacity: number;
  /** Counter of stray rows. */
  readonly strays: Strays;
}

/** Faults of invalid rows: an unknown session, or a wrong feature count. */
type Fault = 'session' | 'count';

/** A raw file of impressions with sessions: a skeleton and its common features. */
export class RawFile implements ImpressionFile {
  /** Session number per row of the next block. */
  readonly sessions: Uint32Array;
  readonly #world: World;
  readonly #options: RawOptions;
  readonly #skeleton: ByteFile;
  readonly #common: ByteFile;
  readonly #features: FeatureList;
  readonly #key: number;
  #numSessions = 0;
  #numRows = 0;
  /** Rows without stray and invalid ones. */
  #numImpressions = 0;

  constructor(world: World, options: RawOptions) {
    this.#world = world;
    this.#options = options;
    this.sessions = new Uint32Array(options.capacity);
    this.#skeleton = new ByteFile(options.skeletonPath);
    this.#common = new ByteFile(options.commonPath);
    this.#features = createFeatureList(options.ids);
    this.#key = streamKey(options.seed, 'session', options.split);
  }

  /** Starts a session of a user. @returns its number, for `sessions` */
  openSession(user: number): number {
    if (this.#numSessions % UNUSED_EVERY === UNUSED_EVERY - 1) {
      this.#options.strays.unusedSessions++;
      this.#writeSession(user);
    }
    return this.#writeSession(user);
  }

  write(block: Impressions): void {
    const { badEvery, strays } = this.#options;
    for (let row = 0; row < block.rows; row++) {
      const session = this.sessions[row]!;
      this.#writeRow(block, row, session, block.click[row]!, block.purchase[row]!);
      this.#numImpressions++;
      if (this.#numImpressions % STRAY_EVERY === 0) {
        strays.purchasesWithoutClick++;
        this.#writeRow(block, row, session, 0, 1);
      }
      if (badEvery > 0 && this.#numImpressions % badEvery === 0) {
        this.#writeRow(block, row, session, 0, 0, strays.badRows % 2 === 0 ? 'session' : 'count');
        strays.badRows++;
      }
    }
  }

  close(): void {
    this.#skeleton.close();
    this.#common.close();
  }

  #writeSession(user: number): number {
    const { bags, random } = this.#options;
    const { profile } = this.#world.users;
    const session = this.#numSessions++;
    const features = this.#features;
    features.clear();
    features.add('101', user + 1, ONE);
    for (const [f, field] of PROFILE_FIELDS.entries())
      if (mix(mix(user) + f) % MISSING_EVERY !== 0) features.add(field, profile[user * NUM_PROFILE + f]!, ONE);
    for (const [f, field] of HISTORY_FIELDS.entries()) features.addBag(field, bags.history(user, HISTORY_KINDS[f]!));
    this.#common.reserve(HEAD_BYTES);
    this.#writeIndex(this.#common, session);
    this.#common.byte(COMMA);
    features.write(this.#common, features.count, random);
    return session;
  }

  #writeRow(block: Impressions, row: number, session: number, click: number, purchase: number, fault?: Fault): void {
    this.#collectFeatures(block, row);
    const skeleton = this.#skeleton;
    skeleton.reserve(HEAD_BYTES);
    for (const value of [++this.#numRows, click, purchase]) {
      skeleton.whole(value);
      skeleton.byte(COMMA);
    }
    this.#writeIndex(skeleton, session, fault === 'session');
    skeleton.byte(COMMA);
    const { count } = this.#features;
    this.#features.write(skeleton, count + (fault === 'count' ? 1 : 0), this.#options.random);
  }

  #collectFeatures(block: Impressions, row: number): void {
    const { users, items } = this.#world;
    const { bags } = this.#options;
    const features = this.#features;
    const user = block.user[row]!;
    const item = block.item[row]!;
    const kindAt = item * NUM_KINDS;
    const activity = users.activity[user]!;
    features.clear();
    features.add('205', item + 1, ONE);
    features.add('206', items.kinds[kindAt + KIND_AT.category]!, ONE);
    features.add('207', items.kinds[kindAt + KIND_AT.shop]!, ONE);
    features.add('216', items.kinds[kindAt + KIND_AT.brand]!, ONE);
    features.add('129', items.tier[item]!, ONE);
    features.add('301', block.position[row]!, ONE);
    features.addBag('210', bags.around(items.kinds[kindAt + KIND_AT.intention]!, ONE, KIND_AT.intention));
    for (const [f, field] of COMBINATION_FIELDS.entries()) {
      const kind = COMBINATION_KINDS[f]!;
      const id = items.kinds[kindAt + kind]!;
      const slot = favoriteAt(users, user, kind, id);
      if (slot < 0) continue;
      if (field === '853') features.addBag(field, bags.around(id, strength(activity, slot, kind), kind));
      else features.add(field, id, strength(activity, slot, kind));
    }
  }

  /**
   * Writes the index of a session, which has its number, so that indices are unique; no session has an index with the
   * complement.
   */
  #writeIndex(file: ByteFile, session: number, isUnknown = false): void {
    file.hex(mix(this.#key + session), (isUnknown ? ~session : session) ^ this.#key);
  }
}

/** Features of a row, written in random order. */
interface FeatureList {
  readonly count: number;
  clear(): void;
  add(field: string, id: number, weight: number): void;
  addBag(field: string, bag: Bag): void;
  /** Writes the rest of a line. @param count the feature count that the line declares */
  write(file: ByteFile, count: number, random: Random): void;
}

function createFeatureList(ids: RawIds): FeatureList {
  const names = Object.keys(ids);
  const indices = new Map(names.map((name, i) => [name, i]));
  const encoders = Object.values(ids);
  let capacity = 1 << 10;
  let fields = new Uint8Array(capacity);
  let values = new Float64Array(capacity);
  let weights = new Uint32Array(capacity);
  let count = 0;

  const push = (field: number, id: number, weight: number): void => {
    if (count === capacity) {
      capacity *= 2;
      const [oldFields, oldValues, oldWeights] = [fields, values, weights];
      (fields = new Uint8Array(capacity)).set(oldFields);
      (values = new Float64Array(capacity)).set(oldValues);
      (weights = new Uint32Array(capacity)).set(oldWeights);
    }
    fields[count] = field;
    values[count] = encoders[field]!(id);
    weights[count++] = weight;
  };

  return {
    get count() {
      return count;
    },
    clear: () => void (count = 0),
    add: (field, id, weight) => push(indices.get(field)!, id, weight),
    addBag(field, bag) {
      const slot = indices.get(field)!;
      for (let i = 0; i < bag.count; i++) push(slot, bag.ids[i]!, bag.weights[i]!);
    },
    write(file, declared, random) {
      file.reserve(HEAD_BYTES);
      file.whole(declared);
      // An offset and a stride coprime to the count: a cheap permutation per row.
      const turn = random.below(count);
      const stride = findStride(count, random);
      for (let i = 0, position = turn; i < count; i++, position = (position + stride) % count) {
        file.reserve(FEATURE_BYTES);
        file.byte(i === 0 ? COMMA : FEATURE_END);
        file.text(names[fields[position]!]!);
        file.byte(ID_START);
        file.whole(values[position]!);
        file.byte(VALUE_START);
        const weight = weights[position]!;
        file.tenThousandths(weight);
        if (weight % ONE === 0) file.text('.0');
      }
      file.byte(LINE_END);
    },
  };
}

function findStride(count: number, random: Random): number {
  for (;;) {
    const stride = 1 + random.below(count);
    let [a, b] = [count, stride];
    while (b > 0) [a, b] = [b, a % b];
    if (a === 1) return stride;
  }
}
