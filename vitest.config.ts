import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Threads and the command load dist/, while tests load src/.
    globalSetup: ['test/support/require-build.ts'],
    // A file finds nothing of those before it, a test no mocks of those before it.
    setupFiles: ['test/support/begin-afresh.ts', 'test/support/seed-fast-check.ts'],
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // One worker a core: the default leaves one core idle, which is half of a small machine.
    maxWorkers: '100%',
    // npm test excludes tests with these tags (test/short.config.ts); npm run test:long and npm run test:nightly run
    // them. A test with both is one of the night. The tag of a file is the comment `@module-tag long` in its first line.
    tags: [
      {
        name: 'long',
        description: 'proofs that take a minute: kills, crashes, whole trainings, every engine at every shape',
      },
      {
        name: 'nightly',
        description: 'long tests that few changes can reach, and of which .ci/run has a faster one of the same area',
      },
    ],
    // A snapshot that is not there fails, so that none is lost unseen; -u writes it.
    update: 'none',
    coverage: { include: ['src/**'], reporter: ['text-summary', 'html'] },
  },
});
