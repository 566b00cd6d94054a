import type { Impression } from './impressions.js';
import { knownKinds } from './impressions.js';
import { KIND_NAMES, type Kind } from './world.js';

/** Kinds in the order of the combination fields 508, 509, 702, 853. */
const COMBINATION_KINDS: readonly Kind[] = ['category', 'shop', 'intention', 'brand'];
/** Kinds in the order of the history fields 109_14, 110_14, 127_14, 150_14. */
const HISTORY_KINDS: readonly Kind[] = ['category', 'shop', 'brand', 'intention'];

/** The impression as a line of the CSV, in the order of the header. */
export function csvRow(impression: Impression): string {
  const { user, item, position, click, purchase } = impression;
  const known = knownKinds(impression);
  const { category, shop, intention, brand } = item.kinds;
  const cells = [
    Number(click),
    Number(purchase),
    user.id,
    ...user.profile,
    item.tier,
    item.id,
    category,
    shop,
    intention,
    brand,
    ...COMBINATION_KINDS.map((kind) => known[kind]),
    position,
    ...HISTORY_KINDS.map((kind) => user.favourites[kind][0]!),
    ...HISTORY_KINDS.map((_, k) => rounded(user.activity / (k + 1))),
    ...COMBINATION_KINDS.map((kind) => (known[kind] === 0 ? 0 : rounded(strength(impression, kind)))),
  ];
  return `${cells.join(',')}\n`;
}

/** How much the user did with the item's kind: more for the first favourite, and for an active user. */
function strength({ user, item }: Impression, kind: Kind): number {
  return user.activity / (1 + user.favourites[kind].indexOf(item.kinds[kind]) + KIND_NAMES.indexOf(kind));
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
