import { z } from 'zod';
import { defineBottom } from './bottom.js';
import { checkExperts } from './expert-options.js';
import { extraction, extractionOptions } from './extraction.js';

/**
 * Progressive Layered Extraction (Tang et al. 2020, https://dl.acm.org/doi/10.1145/3383313.3412236): levels of
 * task-specific and shared experts, each with gates.
 */
export const ple = defineBottom({
  name: 'ple',
  summary: 'Progressive Layered Extraction: stacked levels of task-specific and shared experts',
  options: () => ({
    levels: z.int().min(1).max(64).default(2).describe('Number of stacked extraction levels'),
    ...extractionOptions(),
  }),
  check: checkExperts,
  build: ({ levels, ...options }, context) => extraction(levels, options, context),
});
