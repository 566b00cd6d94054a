#!/usr/bin/env node
import { existsSync } from 'node:fs';
import module from 'node:module';

// Caches compiled code (Node 22.1 and later), which makes the next start faster.
module.enableCompileCache?.();
const require = module.createRequire(import.meta.url);
// A clone installs and builds if something is stale; an installed package is ready to run.
if (existsSync(new URL('../src', import.meta.url))) await import('./setup.js');
try {
  const { start } = require('../dist/command/start.cjs');
  process.exitCode = await start(process.argv.slice(2));
} catch (error) {
  // The error printer is not loaded yet.
  if (error.code !== 'EMFILE' && error.code !== 'ENFILE') throw error;
  process.stderr.write(
    `error: too many files are open (${error.code}); raise the limit of this process: ulimit -n 4096\n`,
  );
  process.exitCode = 5;
}
