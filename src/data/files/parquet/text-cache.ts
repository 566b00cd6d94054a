import type { At } from './leaf-type.js';

/** How many bytes of text all dictionaries of a row group may keep. */
export interface TextBudget {
  left: number;
}

/** What a string costs beside its characters. */
const STRING_BYTES = 32;

/** Keeps the texts of a dictionary's values, which rows repeat, as far as the budget goes. */
export function textCache(text: At<string>, count: number, budget: TextBudget): At<string> {
  if (8 * count > budget.left) return text;
  budget.left -= 8 * count;
  const kept = new Array<string | undefined>(count).fill(undefined);
  return (place) => {
    const known = kept[place];
    if (known !== undefined) return known;
    const made = text(place);
    const bytes = STRING_BYTES + made.length;
    if (bytes > budget.left) return made;
    budget.left -= bytes;
    kept[place] = made;
    return made;
  };
}
