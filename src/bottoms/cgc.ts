import { defineBottom } from './bottom.js';
import { checkExperts } from './expert-options.js';
import { extraction, extractionOptions } from './extraction.js';

/** Customized Gate Control: a single level of PLE (Tang et al. 2020, section 4.1). */
export const cgc = defineBottom({
  name: 'cgc',
  summary: 'Customized Gate Control: task-specific experts next to shared ones',
  options: extractionOptions,
  check: checkExperts,
  build: (options, context) => extraction(1, options, context),
});
