#!/usr/bin/env node
import { existsSync } from 'node:fs';
import module from 'node:module';

// Where Node keeps what it compiled (from 22.1 on), the next start is faster.
module.enableCompileCache?.();
const require = module.createRequire(import.meta.url);
// In a clone, the first run and every run after an edit install and build what is stale; an installed package is ready.
if (existsSync(new URL('../src', import.meta.url))) await import('./setup.js');
try {
  const { start } = require('../dist/command/start.cjs');
  process.exitCode = await start(process.argv.slice(2));
} catch (error) {
  // Before anything is loaded that could say it.
  if (error.code !== 'EMFILE' && error.code !== 'ENFILE') throw error;
  process.stderr.write(
    `error: too many files are open (${error.code}); raise the limit of this process: ulimit -n 4096\n`,
  );
  process.exitCode = 5;
}
