import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createFileAtomic, onDisk } from '../io/disk.js';
import { systemCode, userError } from '../core/errors.js';
import { temporaryPath } from '../io/temporary.js';
import { beat, keepBeating, watchHeartbeats } from './heartbeat.js';
import { hasExited, isInAnotherNamespace, ownerSchema, thisProcess, type Owner } from '../system/owner.js';

/** Lock file that records which process trains a run. */
export const LOCK = 'run.lock';

/** Age of a heartbeat after which its process counts as dead; far longer than any step, sort or write. */
const STALE_MS = 120_000;
const LOOK_EVERY_MS = 1000;

/** A run's lock, held by this process. */
export interface RunLock {
  /**
   * Checks that no other process took the lock over, which may happen if this process was suspended for minutes.
   * @throws UserError (usage)
   */
  check(): Promise<void>;
  release(): Promise<void>;
}

/** Timing of the heartbeat watch for processes whose id cannot be checked. */
export interface LockWatch {
  readonly staleMs?: number;
  readonly lookEveryMs?: number;
  /** Abort to stop waiting; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Locks a run for this process. Takes over the lock of a dead process of this machine, and of another container with
 * this host name after two minutes without a heartbeat.
 * @param warn called if the call waits for a heartbeat
 * @throws UserError (usage) if a live process holds the lock, or one of another machine, which cannot be checked
 */
export async function lockRun(run: string, warn: (notice: string) => void, watch: LockWatch = {}): Promise<RunLock> {
  const path = join(run, LOCK);
  const own = `${JSON.stringify(thisProcess())}\n`;
  for (;;) {
    const seen = await readOwner(path);
    if (seen === undefined) {
      if (await createFileAtomic(path, own)) break;
      continue;
    }
    if (seen.owner !== undefined) await refuseIfAlive(run, path, seen.owner, warn, watch);
    await remove(path, seen.text);
  }
  const stop = keepBeating(async () => {
    if ((await readLock(path)) === own) await beat(path);
  });
  return {
    async check() {
      const text = await readLock(path);
      if (text === own) return;
      const other = text === undefined ? undefined : parseOwner(text);
      const taker = other === undefined ? `its lock ${path} was removed` : `${described(other)} took it over`;
      throw userError('usage', {
        where: run,
        message: `this process no longer owns the run: ${taker}`,
        fix: 'stop all processes but one, then resume the run',
      });
    },
    async release() {
      stop();
      // Another process takes over a lock that cannot be removed; an error here would hide why the run ended.
      if ((await readLock(path).catch(() => undefined)) === own) await rm(path, { force: true }).catch(() => undefined);
    },
  };
}

/**
 * Reads a lock file; undefined if it does not exist.
 * @throws UserError (disk)
 */
async function readLock(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw userError(
      'disk',
      { where: path, message: `cannot read the lock (${systemCode(error) ?? String(error)})` },
      error,
    );
  });
}

/**
 * Reads a lock's owner.
 * @returns undefined if the file does not exist; an undefined owner if its content is invalid
 */
async function readOwner(
  path: string,
): Promise<{ readonly text: string; readonly owner: Owner | undefined } | undefined> {
  const text = await readLock(path);
  return text === undefined ? undefined : { text, owner: parseOwner(text) };
}

function parseOwner(text: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Reports whether a process holds a run's lock: a live one of this machine, or one that cannot be checked. */
export function isTaken(run: string): boolean {
  let text: string;
  try {
    text = readFileSync(join(run, LOCK), 'utf8');
  } catch {
    return false;
  }
  const owner = parseOwner(text);
  return owner !== undefined && hasExited(owner) !== true;
}

async function refuseIfAlive(
  run: string,
  path: string,
  owner: Owner,
  warn: (notice: string) => void,
  { staleMs = STALE_MS, lookEveryMs = LOOK_EVERY_MS, signal }: LockWatch,
): Promise<void> {
  const isOver = hasExited(owner);
  if (isOver === true) return;
  if (isOver === false)
    throw userError('usage', {
      where: run,
      message: `the run is being trained by ${described(owner)}`,
      fix: 'wait for it or stop it',
    });
  if (!isInAnotherNamespace(owner)) {
    throw userError('usage', {
      where: run,
      message: `the run is locked by ${described(owner)}, which this machine cannot check`,
      fix: `if that process has exited, remove ${path}`,
    });
  }
  warn(
    `${run} is locked by ${described(owner)} in another container: watching its heartbeat for up to ` +
      `${staleMs / 1000} seconds; if that process has exited, remove ${path}`,
  );
  if (await isBeating(path, { staleMs, lookEveryMs, signal })) {
    throw userError('usage', {
      where: run,
      message: `the run is being trained by ${described(owner)} in another container, which updates ${path}`,
      fix: 'wait for it or stop it',
    });
  }
}

/** Polls a lock's heartbeat until it is alive, stale or removed. */
async function isBeating(path: string, { staleMs, lookEveryMs, signal }: Required<LockWatch>): Promise<boolean> {
  const heartbeats = watchHeartbeats(staleMs);
  for (;;) {
    const found = await heartbeats.look(path).catch(() => 'dead' as const);
    if (found !== 'unknown') return found === 'alive';
    await setTimeout(lookEveryMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}

function described({ pid, host, startedAt }: Owner): string {
  return `process ${pid} of host '${host}' since ${startedAt}`;
}

/** Removes the lock of a process that cannot be checked from here, after the caller has established that it exited. */
export async function dropForeignLock(run: string): Promise<void> {
  const path = join(run, LOCK);
  const seen = await readOwner(path);
  if (seen?.owner !== undefined && hasExited(seen.owner) === undefined) await remove(path, seen.text);
}

/** Removes a dead process's lock; another process may do the same concurrently and create its own. */
async function remove(path: string, text: string): Promise<void> {
  // A temporary name, so that cleanup removes it if this process is killed here.
  const aside = temporaryPath(path);
  if ((await readLock(path)) !== text) return;
  await onDisk(path, async () => {
    try {
      await rename(path, aside);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw error;
    }
    if ((await readFile(aside, 'utf8')) !== text) await link(aside, path).catch(() => undefined);
    await rm(aside, { force: true });
  });
}
