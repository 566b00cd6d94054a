import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    // A snapshot that is not there fails, so that none is lost unseen; -u writes it.
    update: 'none',
    coverage: { include: ['src/**'], reporter: ['text-summary', 'html'] },
  },
});
