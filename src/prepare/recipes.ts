import type { PerField, SingleIds } from './fields.js';

/** How a paper made what it trains on out of the raw files, where that is not how this project does. */
export interface Recipe extends SingleIds {
  readonly minCounts: PerField;
  readonly caps: PerField;
  /** Whether rows of valid are drawn one by one, and not by whole sessions. */
  readonly drawsRows: boolean;
  /** Whether ids are counted in the rows of valid too. */
  readonly countsValid: boolean;
}

/** Papers' ways, by the name of their model. */
export const RECIPES = {
  /**
   * AITM (Xi et al. 2021), as in the authors' process_public_dataset.py (https://github.com/xidongbo/AITM, read in the
   * commit
   * 71d4da7): ids of at least twelve rows (their count starts at 0 and has to be above 10) of train with valid; each
   * row is of valid
   * with probability 0.1; of the values of 853 the last one; purchases without a click are dropped, as they are here.
   * Bags, of which
   * it takes none, are cut to one value.
   */
  aitm: {
    minCounts: { rest: 12, byField: {} },
    caps: { rest: 1, byField: {} },
    singles: ['853'],
    keepsLast: true,
    drawsRows: true,
    countsValid: true,
  },
} as const satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof RECIPES;
export const RECIPE_NAMES = Object.keys(RECIPES) as RecipeName[];
