import type { PerField, SingleIds } from './fields.js';

/** Differences of a paper's preprocessing from the default. */
export interface Recipe extends SingleIds {
  readonly minCounts: PerField;
  readonly caps: PerField;
  /** Whether validation rows are sampled individually instead of by session. */
  readonly drawsRows: boolean;
  /** Whether ids are also counted in validation rows. */
  readonly countsValid: boolean;
}

/** Recipes by the name of the paper's model. */
export const RECIPES = {
  /**
   * AITM (Xi et al. 2021), as in the authors' process_public_dataset.py (https://github.com/xidongbo/AITM, commit
   * 71d4da7): ids with at least 12 rows (their count starts at 0 and must exceed 10) in train and valid; each row is a
   * validation row with probability 0.1; the last value of field 853; purchases without a click are dropped, as by
   * default. Bags, which it does not use, are cut to one value.
   */
  aitm: {
    minCounts: { rest: 12, byField: {} },
    caps: { rest: 1, byField: {} },
    singles: ['853'],
    keepsLast: true,
    hasOwnIds: true,
    drawsRows: true,
    countsValid: true,
  },
} as const satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof RECIPES;
export const RECIPE_NAMES = Object.keys(RECIPES) as RecipeName[];
