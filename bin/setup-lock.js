// A lock between processes that prepare one clone. Imports only Node's own modules, since no package may be installed.
import { rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const LOCK = '.setup.lock';
const BEAT_MS = 1000;
/** Time without a heartbeat after which the owner of a lock counts as dead. */
const STALE_MS = 10_000;
const POLL_MS = 100;

/**
 * Runs `work` while no other process prepares the clone. The owner updates the time of its lock, so `work` may not block.
 * @param onWait called once if another process prepares the clone
 */
export async function withSetupLock(root, onWait, work) {
  const path = join(root, LOCK);
  await takeLock(path, onWait);
  const beat = setInterval(() => touch(path), BEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    rmSync(path, { force: true });
  }
}

function touch(path) {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // Another process took the lock over while this one was suspended; preparing a clone twice is safe.
  }
}

async function takeLock(path, onWait) {
  let seenMs;
  let hasWaited = false;
  // The clock of the disk may differ from this one, so a waiting process measures how long the time stays the same.
  let since = performance.now();
  for (;;) {
    try {
      return writeFileSync(path, '', { flag: 'wx' });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const modifiedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (!hasWaited) onWait();
    hasWaited = true;
    if (modifiedMs !== seenMs) [seenMs, since] = [modifiedMs, performance.now()];
    else if (performance.now() - since > STALE_MS) rmSync(path, { force: true });
    await setTimeout(POLL_MS);
  }
}
