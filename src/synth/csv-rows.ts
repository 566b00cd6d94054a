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

/** Target of impressions. */
export interface ImpressionFile {
  write(block: Impressions): void;
  close(): void;
}

/**
 * Creates a CSV with torch-rechub's columns.
 * @param bags if given, fields 210, 853 and the history fields are bags: `id:weight|id:weight`
 */
export function createCsvFile(path: string, { users, items }: World, bags: BagSource | undefined): ImpressionFile {
  const file = new ByteFile(path);
  file.text(`${HEADER.join(',')}\n`);

  const cell = (value: number): void => {
    file.byte(COMMA);
    file.whole(value);
  };
  const decimal = (value: number): void => {
    file.byte(COMMA);
    file.tenThousandths(value);
  };
  const bagCell = ({ count, ids, weights }: Bag): void => {
    file.reserve(count * VALUE_BYTES + LINE_BYTES);
    for (let i = 0; i < count; i++) {
      file.byte(i === 0 ? COMMA : BAR);
      file.whole(ids[i]!);
      file.byte(COLON);
      file.tenThousandths(weights[i]!);
    }
  };

  const writeRow = (block: Impressions, row: number): void => {
    const user = block.user[row]!;
    const item = block.item[row]!;
    file.reserve(LINE_BYTES);
    file.whole(block.click[row]!);
    cell(block.purchase[row]!);
    cell(user + 1);
    for (let f = 0; f < NUM_PROFILE; f++) cell(users.profile[user * NUM_PROFILE + f]!);
    cell(items.tier[item]!);
    cell(item + 1);
    const kindAt = item * NUM_KINDS;
    cell(items.kinds[kindAt + KIND_AT.category]!);
    cell(items.kinds[kindAt + KIND_AT.shop]!);
    const intention = items.kinds[kindAt + KIND_AT.intention]!;
    if (bags === undefined) cell(intention);
    else bagCell(bags.around(intention, 10_000, KIND_AT.intention));
    cell(items.kinds[kindAt + KIND_AT.brand]!);
    for (const kind of COMBINATION_KINDS) {
      const id = items.kinds[kindAt + kind]!;
      const rank = favoriteAt(users, user, kind, id);
      if (bags === undefined || kind !== KIND_AT.brand) cell(rank < 0 ? 0 : id);
      else if (rank < 0) file.byte(COMMA);
      else bagCell(bags.around(id, strength(users.activity[user]!, rank, kind), kind));
    }
    cell(block.position[row]!);
    for (const kind of HISTORY_KINDS) {
      if (bags === undefined) cell(users.favorites[(user * NUM_KINDS + kind) * FAVORITES]!);
      else bagCell(bags.history(user, kind));
    }
    for (let k = 0; k < HISTORY_KINDS.length; k++) decimal(Math.round((users.activity[user]! / (k + 1)) * 10_000));
    for (const kind of COMBINATION_KINDS) {
      const rank = favoriteAt(users, user, kind, items.kinds[kindAt + kind]!);
      decimal(rank < 0 ? 0 : strength(users.activity[user]!, rank, kind));
    }
    file.byte(LINE_END);
  };

  return {
    write(block) {
      for (let row = 0; row < block.rows; row++) writeRow(block, row);
    },
    close: () => file.close(),
  };
}

/**
 * Returns how often a user interacted with an item's kind, in ten-thousandths; higher for the first favorite and for
 * active users.
 */
export function strength(activity: number, rank: number, kind: number): number {
  return Math.round((activity / (1 + rank + kind)) * 10_000);
}
