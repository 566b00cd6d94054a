import { mergeConfig } from 'vitest/config';
import config from '../vitest.config.js';
import { testFiles } from './support/test-files.js';

// npm run test:long: the tests that npm test excludes; files without a tag are not loaded.
export default mergeConfig(config, { test: { exclude: testFiles('none'), tagsFilter: ['long'] } });
