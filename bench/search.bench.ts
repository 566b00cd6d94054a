// Best configs of the public data sets, searched on their validation sets and written to bench/data-sets/best; takes
// hours and resumes after an interruption.
import { join } from 'node:path';
import { it } from 'vitest';
import { extractSets } from './data-sets/measure.js';
import { searchBest } from './data-sets/search.js';
import { chooseSets } from './data-sets/sets.js';
import { benchOptions } from './results.js';

const A_DAY = 86_400_000;

const { only, folder, threads, set } = benchOptions();
const place = folder ?? join(import.meta.dirname, '..', 'runs', 'bench-data-sets');

it(
  'search',
  async () => {
    const sets = chooseSets(only);
    extractSets(place, sets);
    for (const each of sets) {
      const finalists = await searchBest(each, { folder: place, threads, set });
      console.log(`${each.name}: ${finalists.map(({ name, loss }) => `${name} ${loss.toFixed(5)}`).join(', ')}`);
    }
  },
  A_DAY,
);
