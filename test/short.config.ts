import { mergeConfig } from 'vitest/config';
import config from '../vitest.config.js';
import { filesWithout } from './support/test-files.js';

// npm test: files share a worker and its modules, and files whose tests all have a tag are not loaded.
export default mergeConfig(config, {
  test: { exclude: filesWithout('short'), tagsFilter: ['!long', '!nightly'], isolate: false },
});
