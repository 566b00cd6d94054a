import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createFileAtomic, onDisk } from '../io/disk.js';
import { systemCode, userError } from '../core/errors.js';
import { temporaryPath } from '../io/temporary.js';
import { beat, keepBeating, watchHeartbeats } from './heartbeat.js';
import { hasExited, isInAnotherNamespace, ownerSchema, thisProcess, type Owner } from '../system/owner.js';

/** The file that says which process trains in a run's folder. */
export const LOCK = 'run.lock';

/**
 * Time after which a lock without a heartbeat is that of a dead process: far longer than a step, a sort or a write
 * takes.
 */
const STALE_MS = 120_000;
const LOOK_EVERY_MS = 1000;

/** The lock of a run that this process holds. */
export interface RunLock {
  /**
   * Checks that the run still is this process's: one that stood still for minutes may have been taken for dead. @throws
   * UserError (usage)
   */
  check(): Promise<void>;
  /** Lets others have the run. */
  release(): Promise<void>;
}

/** How the heartbeat of a process is looked for that cannot be found by its id. */
export interface LockWatch {
  readonly staleMs?: number;
  readonly lookEveryMs?: number;
  /** Aborted to give up; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes the folder of a run for this process alone. What a dead process of this machine left is taken over, and so is
 * what one of another
 * container of this host's name left, after two minutes without a heartbeat.
 * @param tell told that a heartbeat is looked for
 * @throws UserError (usage) if another process has it, or one of another machine, of which nobody here can tell whether
 * it lives
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
      const taker = other === undefined ? `its lock ${path} is gone` : `${described(other)} has taken it over`;
      throw userError('usage', {
        where: run,
        message: `is no longer trained by this process: ${taker}`,
        fix: 'end all but one, then resume the run',
      });
    },
    async release() {
      stop();
      // A lock that cannot be taken away is one of a dead process before long; it must not hide what ended the run.
      if ((await readLock(path).catch(() => undefined)) === own) await rm(path, { force: true }).catch(() => undefined);
    },
  };
}

/** What a lock says; undefined if there is none. @throws UserError (disk) */
async function readLock(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw userError('disk', { where: path, message: `cannot be read (${systemCode(error) ?? String(error)})` }, error);
  });
}

/**
 * Whose lock it is: undefined as a whole where it has gone meanwhile, without an owner where it holds something else.
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

/**
 * Whether a process has the folder of a run: one of this machine that lives, or one of another, of which nobody here
 * can tell.
 */
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
      message: `is being trained by ${described(owner)}`,
      fix: 'wait for it, or end it',
    });
  if (!isInAnotherNamespace(owner)) {
    throw userError('usage', {
      where: run,
      message: `is taken by ${described(owner)}, which cannot be seen from here`,
      fix: `if that process has ended, remove ${path}`,
    });
  }
  warn(
    `${run} is taken by ${described(owner)}, in another container: looking for its heartbeat for up to ${staleMs / 1000} seconds; if that process has ended, remove ${path}`,
  );
  if (await isBeating(path, { staleMs, lookEveryMs, signal })) {
    throw userError('usage', {
      where: run,
      message: `is being trained by ${described(owner)}, in another container, which keeps ${path} up to date`,
      fix: 'wait for it, or end it',
    });
  }
}

/** Looks at a lock until its time moves, or has not for long, or it is gone. */
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

/** Takes away the lock of a process of another machine or container that is known to have ended. */
export async function dropForeignLock(run: string): Promise<void> {
  const path = join(run, LOCK);
  const seen = await readOwner(path);
  if (seen?.owner !== undefined && hasExited(seen.owner) === undefined) await remove(path, seen.text);
}

/** Takes a dead process's lock away; another process may do the same at this moment and have made its own. */
async function remove(path: string, text: string): Promise<void> {
  // Called like what other writes leave when they are cut short, and taken away with it.
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
