import { z } from 'zod';
import type { Point, Space } from '../space.js';
import { createParzen } from './parzen.js';
import { defineSearch, type Search, type SeenTrial } from './search.js';
import { createStartup } from './startup.js';

/** At most so many trials count as good, however many there are. */
const MAX_GOOD = 25;
/** The newest trials count in full; those before them less and less. */
const FULL_WEIGHT = 25;

/**
 * Tree-structured Parzen estimator (Bergstra et al. 2011), over all parameters together (Falkner et al. 2018), in
 * Optuna's form: good trials
 * make one density, all others another, and of some points that are drawn from the first, the one is taken where it is
 * largest against the
 * second. A trial that is running counts as a bad one (a constant liar, Ginsbourger et al. 2010), so that side by side
 * two are not alike.
 */
export const tpe = defineSearch({
  name: 'tpe',
  summary: 'Tree-structured Parzen estimator, multivariate',
  options: () => ({
    startupTrials: z
      .int()
      .min(0)
      .default(10)
      .describe('Random trials before the model decides, more until every choice was tried'),
    candidates: z.int().min(1).default(24).describe('Candidates sampled per trial, of which the best is taken'),
  }),
  needsGrid: false,
  build: ({ startupTrials, candidates }, space) => buildSearch(space, startupTrials, candidates),
});

function buildSearch(space: Space, startupTrials: number, candidates: number): Search {
  const startup = createStartup(space);
  return {
    size: Infinity,
    suggest(_number, seen, random): Point {
      const over = seen.filter(({ cost }) => cost !== undefined);
      const tried = seen.map(({ point }) => point);
      if (over.length < startupTrials || over.every(({ cost }) => cost === null) || startup.hasUntried(tried))
        return startup.draw(tried, random);
      const [good, bad] = densities(space, seen, over.length);
      let best: { readonly point: Point; readonly score: number } | undefined;
      for (let i = 0; i < candidates; i++) {
        const { point, coordinates } = good.draw(random);
        const score = good.logDensity(coordinates) - bad.logDensity(coordinates);
        if (best === undefined || score > best.score) best = { point, score };
      }
      return best!.point;
    },
  };
}

function densities(space: Space, seen: readonly SeenTrial[], numOver: number) {
  // Those that came furthest first, the best first among them; a trial that failed is the worst.
  const ranked = seen
    .filter(({ cost }) => typeof cost === 'number')
    .sort((a, b) => b.rung - a.rung || a.cost! - b.cost!);
  const isGood = new Set(ranked.slice(0, Math.min(Math.ceil(0.1 * numOver), MAX_GOOD)));
  return [true, false].map((wanted) => {
    const points = seen.filter((trial) => isGood.has(trial) === wanted).map(({ point }) => point);
    return createParzen(space, points, weightsOf(points.length));
  }) as [ReturnType<typeof createParzen>, ReturnType<typeof createParzen>];
}

/** By age, the oldest first. */
function weightsOf(count: number): readonly number[] {
  const numRising = Math.max(0, count - FULL_WEIGHT);
  return Array.from({ length: count }, (_, i) =>
    i < numRising ? (numRising === 1 ? 1 / count : 1 / count + ((1 - 1 / count) * i) / (numRising - 1)) : 1,
  );
}
