import { constants, existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { freeBytes } from '../io/disk.js';
import { systemCode } from '../core/errors.js';
import { runsRoot, shownPath } from '../runs/runs-root.js';
import type { HealthCheck } from './health.js';

/** Less free space is told. */
const MIN_BYTES = 1e9;

/** Where runs are written, and what room there is. */
export const runs: HealthCheck = {
  name: 'runs',
  async look() {
    const root = runsRoot();
    let there = root;
    while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
    const fix = 'name another folder with MTL_RUNS, or with runs in the config';
    try {
      await access(there, constants.W_OK);
    } catch (error) {
      return { state: 'wrong', message: `${there} cannot be written (${systemCode(error) ?? String(error)})`, fix };
    }
    const free = await freeBytes(there);
    const message = `${shownPath(root)}, ${Number.isFinite(free) ? `${(free / 1e9).toFixed(1)} GB free` : 'free space unknown'}`;
    return free < MIN_BYTES ? { state: 'wrong', message, fix: `make room, or ${fix}` } : { state: 'ok', message };
  },
};
