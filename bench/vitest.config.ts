import { defineConfig } from 'vitest/config';

// The bench runs TypeScript as the tests do; it measures and asserts nothing.
export default defineConfig({ test: { include: ['bench/*.bench.ts'], testTimeout: 600_000, disableConsoleIntercept: true, reporters: ['dot'] } });
