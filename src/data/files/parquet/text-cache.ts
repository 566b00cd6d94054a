import type { At } from './leaf-type.js';
import type { PageMemory } from './page-memory.js';

/** What a string costs beside its characters. */
const STRING_BYTES = 32;

/** Keeps the texts of a dictionary's values, which rows repeat, as far as there is memory. */
export function textCache(text: At<string>, count: number, memory: PageMemory): At<string> {
  if (8 * count > memory.textLeft) return text;
  memory.textLeft -= 8 * count;
  const kept = new Array<string | undefined>(count).fill(undefined);
  return (place) => {
    const known = kept[place];
    if (known !== undefined) return known;
    const made = text(place);
    const bytes = STRING_BYTES + made.length;
    if (bytes > memory.textLeft) return made;
    memory.textLeft -= bytes;
    kept[place] = made;
    return made;
  };
}
