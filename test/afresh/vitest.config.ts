import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import config from '../../vitest.config.js';

/** Runs files in the order of their names. */
class ByName extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return Promise.resolve(files.toSorted((a, b) => a.moduleId.localeCompare(b.moduleId)));
  }
}

export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: ['test/afresh/*.case.ts'],
    isolate: false,
    maxWorkers: 1,
    sequence: { sequencer: ByName },
  },
});
