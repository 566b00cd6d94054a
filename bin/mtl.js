#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import module from 'node:module';

/** Smallest limit of open files with which a training on one thread works; Node itself requires 19. */
const MIN_OPEN_FILES = 32;

/** Returns the limit of open files of this process; undefined on systems other than Linux. */
function readFileLimit() {
  if (process.platform !== 'linux') return undefined;
  const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
  return limit === undefined ? undefined : Number(limit);
}

// Checked before anything is loaded: a library or a thread that cannot open a file ends the process without a message.
const fileLimit = readFileLimit();
if (fileLimit < MIN_OPEN_FILES) {
  process.stderr.write(
    `error: the limit of open files is ${fileLimit}; mtl requires at least ${MIN_OPEN_FILES}; run ulimit -n 1024\n`,
  );
  process.exit(5);
}

// Caches compiled code (Node 22.1 and later), which makes the next start faster.
module.enableCompileCache?.();
const require = module.createRequire(import.meta.url);
// A clone installs and builds if something is stale; an installed package is ready to run.
if (existsSync(new URL('../src', import.meta.url))) await (await import('./prepare-clone.js')).prepareClone();
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
