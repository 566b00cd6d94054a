import { mergeConfig } from 'vitest/config';
import config from '../vitest.config.js';
import { filesWithout } from './support/test-files.js';

// npm run test:nightly: the tests that .ci/run excludes; files without the tag are not loaded.
export default mergeConfig(config, { test: { exclude: filesWithout('nightly'), tagsFilter: ['nightly'] } });
