import { readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { renameBusy } from '../io/busy.js';
import { createFileAtomic, linkOrCopy, onDisk } from '../io/disk.js';
import { systemCode, userError } from '../core/errors.js';
import { temporaryPath } from '../io/temporary.js';
import { beat, keepBeating, watchHeartbeats } from './heartbeat.js';
import { hasExited, isInAnotherNamespace, ownerSchema, thisProcess, type Owner } from '../system/owner.js';

/** Lock file that records which process trains a run. */
export const LOCK = 'run.lock';

/** Age of a heartbeat after which its process counts as dead; far longer than any step, sort or write. */
const STALE_MS = 120_000;
const POLL_INTERVAL_MS = 1000;
/** Time in which a process writes its lock. */
const COPY_MS = 100;

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
  readonly pollIntervalMs?: number;
  /** Abort to stop waiting; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Locks a run for this process. Takes over the lock of a dead process of this machine, and of another container with
 * this host name after two minutes without a heartbeat.
 * @param warn called if the call waits for a heartbeat
 * @throws UserError (usage) if a live process holds the lock, or one of another machine, which cannot be checked
 */
export async function lockRun(run: string, warn: (warning: string) => void, watch: LockWatch = {}): Promise<RunLock> {
  const path = join(run, LOCK);
  const ownText = `${JSON.stringify(thisProcess())}\n`;
  let invalid: string | undefined;
  for (;;) {
    const lock = await readOwner(path);
    if (lock === undefined) {
      if (await createFileAtomic(path, ownText)) break;
      continue;
    }
    if (lock.owner !== undefined) await assertDead(run, path, lock.owner, warn, watch);
    else if (lock.text !== invalid) {
      // It may be incomplete on a disk without hard links.
      invalid = lock.text;
      await setTimeout(COPY_MS);
      continue;
    }
    await remove(path, lock.text);
  }
  const stop = keepBeating(async () => {
    if ((await readLock(path)) === ownText) await beat(path);
  });
  return {
    async check() {
      const text = await readLock(path);
      if (text === ownText) return;
      const other = text === undefined ? undefined : parseOwner(text);
      const taker = other === undefined ? `its lock ${path} was removed` : `${describeOwner(other)} took it over`;
      throw userError('usage', {
        where: run,
        message: `this process no longer owns the run: ${taker}`,
        fix: 'stop all processes but one, then resume the run',
      });
    },
    async release() {
      stop();
      // Another process takes over a lock that cannot be removed; an error here would hide why the run ended.
      if ((await readLock(path).catch(() => undefined)) === ownText)
        await rm(path, { force: true }).catch(() => undefined);
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

async function assertDead(
  run: string,
  path: string,
  owner: Owner,
  warn: (warning: string) => void,
  { staleMs = STALE_MS, pollIntervalMs: pollIntervalMs = POLL_INTERVAL_MS, signal }: LockWatch,
): Promise<void> {
  const isOver = hasExited(owner);
  if (isOver === true) return;
  if (isOver === false)
    throw userError('usage', {
      where: run,
      message: `the run is being trained by ${describeOwner(owner)}`,
      fix: 'wait for it or stop it',
    });
  if (!isInAnotherNamespace(owner)) {
    throw userError('usage', {
      where: run,
      message: `the run is locked by ${describeOwner(owner)}, which this machine cannot check`,
      fix: `if that process has exited, remove ${path}`,
    });
  }
  warn(
    `${run} is locked by ${describeOwner(owner)} in another container: watching its heartbeat for up to ` +
      `${staleMs / 1000} seconds; if that process has exited, remove ${path}`,
  );
  if (await isBeating(path, { staleMs, pollIntervalMs: pollIntervalMs, signal })) {
    throw userError('usage', {
      where: run,
      message: `the run is being trained by ${describeOwner(owner)} in another container, which updates ${path}`,
      fix: 'wait for it or stop it',
    });
  }
}

/** Polls a lock's heartbeat until it is alive, stale or removed. */
async function isBeating(
  path: string,
  { staleMs, pollIntervalMs: pollIntervalMs, signal }: Required<LockWatch>,
): Promise<boolean> {
  const heartbeats = watchHeartbeats(staleMs);
  for (;;) {
    const state = await heartbeats.check(path).catch(() => 'dead' as const);
    if (state !== 'unknown') return state === 'alive';
    await setTimeout(pollIntervalMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}

function describeOwner({ pid, host, startedAt }: Owner): string {
  return `process ${pid} of host '${host}' since ${startedAt}`;
}

/** Removes the lock of a process that cannot be checked from here, after the caller has established that it exited. */
export async function dropForeignLock(run: string): Promise<void> {
  const path = join(run, LOCK);
  const lock = await readOwner(path);
  if (lock?.owner !== undefined && hasExited(lock.owner) === undefined) await remove(path, lock.text);
}

/** Removes a dead process's lock; another process may do the same concurrently and create its own. */
async function remove(path: string, text: string): Promise<void> {
  // A temporary name, so that cleanup removes it if this process is killed here.
  const temporary = temporaryPath(path);
  if ((await readLock(path)) !== text) return;
  await onDisk(path, async () => {
    try {
      await renameBusy(path, temporary);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw error;
    }
    if ((await readFile(temporary, 'utf8')) !== text) await linkOrCopy(temporary, path).catch(() => undefined);
    await rm(temporary, { force: true });
  });
}
