import { createRequire } from 'node:module';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const folder = process.env['MTL_TENSORFLOW'];
if (folder === undefined) throw new Error('npm run test:tensorflow runs this');

/** What runs the tfjs engine, by its own name or by that of the registry it loops over. */
const FILES = [
  'tensorflow/*',
  'parity/*',
  'engines/*',
  'optimizers/engines',
  'training/stepper',
  'training/evaluate-batches',
];

export default defineConfig({
  root: join(import.meta.dirname, '..', '..'),
  // The engine, and tests that ask TensorFlow.js about itself, find TensorFlow's own in its place.
  resolve: {
    alias: [
      { find: /^@tensorflow\/tfjs$/, replacement: join(import.meta.dirname, 'tfjs.js') },
      {
        find: 'tensorflow-native',
        replacement: createRequire(join(folder, 'package.json')).resolve('@tensorflow/tfjs-node-gpu'),
      },
    ],
  },
  test: {
    include: FILES.map((file) => `test/${file}.test.ts`),
    testNamePattern: /tfjs|TensorFlow/,
    testTimeout: 600_000,
    // A library of a gigabyte is removed, too.
    hookTimeout: 120_000,
    // The addon holds what belongs to a process.
    pool: 'forks',
    maxWorkers: '100%',
    tags: ['long', 'nightly'].map((name) => ({ name, description: 'as in vitest.config.ts' })),
    update: 'none',
  },
});
