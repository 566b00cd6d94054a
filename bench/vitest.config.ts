import { defineConfig } from 'vitest/config';

// Benches run TypeScript as the tests do, one after the other; they measure and assert nothing.
export default defineConfig({
  test: {
    include: ['bench/**/*.bench.ts'],
    testTimeout: 3_600_000,
    fileParallelism: false,
    disableConsoleIntercept: true,
    reporters: ['dot'],
  },
});
