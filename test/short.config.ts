import { mergeConfig } from 'vitest/config';
import config from '../vitest.config.js';
import { testFiles } from './support/test-files.js';

// npm test: files share a worker and its modules, and files whose tests are all long are not loaded.
export default mergeConfig(config, {
  test: { exclude: testFiles('whole'), tagsFilter: ['!long'], isolate: false },
});
