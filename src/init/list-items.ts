/** Notation of a list. */
export interface ListNotation {
  /** Separator of items; undefined for JSON. */
  readonly items: string | undefined;
  /** Separator of an item and its weight, if any. */
  readonly weight: string | undefined;
}

/** Returns the distinct items of lists, without weights. Texts that are no list have none. */
export function collectItems(lists: readonly string[], notation: ListNotation): ReadonlySet<string> {
  return new Set(lists.flatMap((text) => splitItems(text.trim(), notation)));
}

/** Splits a list into its items, without weights. */
export function splitItems(text: string, { items, weight }: ListNotation): readonly string[] {
  if (items === undefined) return parseItems(text);
  const found = text === '' ? [] : text.split(items);
  return found.map((item) => (weight === undefined ? item : item.split(weight)[0]!).trim());
}

/** Returns the items of a JSON list: ids, pairs of an id and a weight, or objects with an id. */
function parseItems(text: string): readonly string[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  return list.map((item: unknown) => {
    if (Array.isArray(item)) return String(item[0]);
    return typeof item === 'object' && item !== null && 'id' in item ? String(item.id) : String(item);
  });
}
