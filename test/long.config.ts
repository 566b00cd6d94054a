import { mergeConfig } from 'vitest/config';
import config from '../vitest.config.js';
import { filesWithout } from './support/test-files.js';

// npm run test:long: the tests that npm test excludes, without those of the night; other files are not loaded.
export default mergeConfig(config, { test: { exclude: filesWithout('long'), tagsFilter: ['long', '!nightly'] } });
