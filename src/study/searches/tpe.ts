import { z } from 'zod';
import type { Point, Space } from '../space.js';
import { createParzen } from './parzen.js';
import { defineSearch, type Search, type Observation } from './search.js';
import { createStartup } from './startup.js';

/** Maximum number of trials that count as good. */
const MAX_GOOD = 25;
/** Number of newest trials with full weight; older ones weigh less with age. */
const FULL_WEIGHT = 25;

/**
 * Tree-structured Parzen estimator (Bergstra et al. 2011) over all parameters jointly (Falkner et al. 2018), as in
 * Optuna. Good trials form one density, all others a second. Of candidates sampled from the first, the search takes the
 * one with the largest ratio of the two. Running trials count as bad (a constant liar, Ginsbourger et al. 2010), so
 * that concurrent trials differ.
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
    suggest(_number, observations, random): Point {
      const completed = observations.filter(({ cost }) => cost !== undefined);
      const points = observations.map(({ point }) => point);
      if (
        completed.length < startupTrials ||
        completed.every(({ cost }) => cost === null) ||
        startup.hasUntried(points)
      )
        return startup.draw(points, random);
      const [good, bad] = buildDensities(space, observations, completed.length);
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

function buildDensities(space: Space, observations: readonly Observation[], numCompleted: number) {
  // Trials that reached the latest rung come first, then lower costs; failed trials are not ranked.
  const ranked = observations
    .filter(({ cost }) => typeof cost === 'number')
    .sort((a, b) => b.rung - a.rung || a.cost! - b.cost!);
  const isGood = new Set(ranked.slice(0, Math.min(Math.ceil(0.1 * numCompleted), MAX_GOOD)));
  return [true, false].map((isWantedGood) => {
    const points = observations.filter((trial) => isGood.has(trial) === isWantedGood).map(({ point }) => point);
    return createParzen(space, points, computeWeights(points.length));
  }) as [ReturnType<typeof createParzen>, ReturnType<typeof createParzen>];
}

/** Returns weights by age, oldest first. */
function computeWeights(count: number): readonly number[] {
  const numRising = Math.max(0, count - FULL_WEIGHT);
  return Array.from({ length: count }, (_, i) =>
    i < numRising ? (numRising === 1 ? 1 / count : 1 / count + ((1 - 1 / count) * i) / (numRising - 1)) : 1,
  );
}
