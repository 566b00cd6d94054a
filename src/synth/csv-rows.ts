import { HEADER } from './ali-ccp.js';
import type { Bag, BagSource } from './bags.js';
import { ByteFile } from './byte-file.js';
import type { Impressions } from './impressions.js';
import { FAVORITES, favoriteAt, KIND_AT, NUM_KINDS, NUM_PROFILE, type World } from './world.js';

/** Kinds of the combination fields 508, 509, 702, 853. */
export const COMBINATION_KINDS = [KIND_AT.category, KIND_AT.shop, KIND_AT.intention, KIND_AT.brand] as const;
/** Kinds of the history fields 109_14, 110_14, 127_14, 150_14. */
export const HISTORY_KINDS = [KIND_AT.category, KIND_AT.shop, KIND_AT.brand, KIND_AT.intention] as const;

/** Maximum bytes of a line without bags, and of a bag value. */
const LINE_BYTES = 512;
const VALUE_BYTES = 24;
const [COMMA, LINE_END, COLON, BAR] = [44, 10, 58, 124] as const;

export interface ImpressionFile {
  write(block: Impressions): void;
  close(): void;
}

/** A CSV with torch-rechub's columns. */
export class CsvFile implements ImpressionFile {
  readonly #file: ByteFile;
  readonly #world: World;
  readonly #bags: BagSource | undefined;

  /** @param bags if given, fields 210, 853 and the history fields are bags: `id:weight|id:weight` */
  constructor(path: string, world: World, bags: BagSource | undefined) {
    this.#file = new ByteFile(path);
    this.#world = world;
    this.#bags = bags;
    this.#file.text(`${HEADER.join(',')}\n`);
  }

  write(block: Impressions): void {
    for (let row = 0; row < block.rows; row++) {
      const [user, item] = [block.user[row]!, block.item[row]!];
      this.#file.reserve(LINE_BYTES);
      this.#file.whole(block.click[row]!);
      this.#integer(block.purchase[row]!);
      this.#writeProfile(user);
      this.#writeItem(user, item);
      this.#integer(block.position[row]!);
      this.#writeHistory(user, item);
      this.#file.byte(LINE_END);
    }
  }

  close(): void {
    this.#file.close();
  }

  #writeProfile(user: number): void {
    this.#integer(user + 1);
    for (let f = 0; f < NUM_PROFILE; f++) this.#integer(this.#world.users.profile[user * NUM_PROFILE + f]!);
  }

  /** Writes the item and its combinations with the user. */
  #writeItem(user: number, item: number): void {
    const { users, items } = this.#world;
    const idOf = (kind: number): number => items.kinds[item * NUM_KINDS + kind]!;
    this.#integer(items.tier[item]!);
    this.#integer(item + 1);
    this.#integer(idOf(KIND_AT.category));
    this.#integer(idOf(KIND_AT.shop));
    const intention = idOf(KIND_AT.intention);
    if (this.#bags === undefined) this.#integer(intention);
    else this.#bag(this.#bags.around(intention, 10_000, KIND_AT.intention));
    this.#integer(idOf(KIND_AT.brand));
    for (const kind of COMBINATION_KINDS) {
      const rank = favoriteAt(users, user, kind, idOf(kind));
      if (this.#bags === undefined || kind !== KIND_AT.brand) this.#integer(rank < 0 ? 0 : idOf(kind));
      else if (rank < 0) this.#file.byte(COMMA);
      else this.#bag(this.#bags.around(idOf(kind), strength(users.activity[user]!, rank, kind), kind));
    }
  }

  /** Writes the user's histories, and the weights of histories and combinations. */
  #writeHistory(user: number, item: number): void {
    const { users, items } = this.#world;
    for (const kind of HISTORY_KINDS) {
      if (this.#bags === undefined) this.#integer(users.favorites[(user * NUM_KINDS + kind) * FAVORITES]!);
      else this.#bag(this.#bags.history(user, kind));
    }
    for (let k = 0; k < HISTORY_KINDS.length; k++)
      this.#decimal(Math.round((users.activity[user]! / (k + 1)) * 10_000));
    for (const kind of COMBINATION_KINDS) {
      const rank = favoriteAt(users, user, kind, items.kinds[item * NUM_KINDS + kind]!);
      this.#decimal(rank < 0 ? 0 : strength(users.activity[user]!, rank, kind));
    }
  }

  #integer(value: number): void {
    this.#file.byte(COMMA);
    this.#file.whole(value);
  }

  /** @param value in ten-thousandths */
  #decimal(value: number): void {
    this.#file.byte(COMMA);
    this.#file.tenThousandths(value);
  }

  #bag({ count, ids, weights }: Bag): void {
    const file = this.#file;
    file.reserve(count * VALUE_BYTES + LINE_BYTES);
    for (let i = 0; i < count; i++) {
      file.byte(i === 0 ? COMMA : BAR);
      file.whole(ids[i]!);
      file.byte(COLON);
      file.tenThousandths(weights[i]!);
    }
  }
}

/**
 * Returns how often a user interacted with an item's kind, in ten-thousandths; higher for the first favorite and for
 * active users.
 */
export function strength(activity: number, rank: number, kind: number): number {
  return Math.round((activity / (1 + rank + kind)) * 10_000);
}
