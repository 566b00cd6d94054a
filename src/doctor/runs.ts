import { constants, existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { freeBytes } from '../io/disk.js';
import { systemCode } from '../core/errors.js';
import { runsRoot, shownPath } from '../runs/runs-root.js';
import type { HealthCheck } from './health.js';

/** Minimum free disk space. */
const MIN_FREE_BYTES = 1e9;

/** Checks that runs can be written, and the free disk space. */
export const runs: HealthCheck = {
  name: 'runs',
  async look() {
    const root = runsRoot();
    let existing = root;
    while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
    const fix = 'set MTL_RUNS, or runs in the config, to another directory';
    try {
      await access(existing, constants.W_OK);
    } catch (error) {
      return { state: 'wrong', message: `cannot write to ${existing} (${systemCode(error) ?? String(error)})`, fix };
    }
    const free = await freeBytes(existing);
    const message =
      `${shownPath(root)}, ` + (Number.isFinite(free) ? `${(free / 1e9).toFixed(1)} GB free` : 'free space unknown');
    return free < MIN_FREE_BYTES
      ? { state: 'wrong', message, fix: `free disk space, or ${fix}` }
      : { state: 'ok', message };
  },
};
