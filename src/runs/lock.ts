import { open, readFile, rename, rm, copyFile } from 'node:fs/promises';
import { constants, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { onDisk } from '../disk.js';
import { systemCode, userError } from '../errors.js';
import { hasEnded, ownerSchema, thisProcess, type Owner } from './owner.js';

/** The file that says which process trains in a run's folder. */
export const LOCK = 'run.lock';

/** A lock that says nothing is looked at so often, in case its owner is just writing it. */
const LOOKS = 5;
const LOOK_AGAIN_MS = 100;

/**
 * Takes the folder of a run for this process alone. What a dead process of this machine left is taken over.
 * @returns gives the folder back
 * @throws UserError (usage) if another process has it, or one of another machine, of which nobody here can tell whether it lives
 */
export async function lockRun(run: string): Promise<() => Promise<void>> {
  const path = join(run, LOCK);
  const own = `${JSON.stringify(thisProcess())}\n`;
  for (;;) {
    if (await create(path, own)) break;
    const seen = await readOwner(path);
    if (seen === undefined) continue;
    if (seen.owner !== undefined) refuseIfAlive(run, path, seen.owner);
    await remove(path, seen.text);
  }
  return async () => {
    // A lock that cannot be taken away is one of a dead process before long; it must not hide what ended the run.
    if ((await readFile(path, 'utf8').catch(() => undefined)) === own) await rm(path, { force: true }).catch(() => undefined);
  };
}

/** Makes the lock unless there is one. */
async function create(path: string, text: string): Promise<boolean> {
  return onDisk(path, async () => {
    try {
      const file = await open(path, 'wx');
      try {
        await file.writeFile(text);
      } finally {
        await file.close();
      }
      return true;
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false;
      throw error;
    }
  });
}

/** Whose lock it is: undefined as a whole where it has gone meanwhile, without an owner where it holds something else. */
async function readOwner(path: string): Promise<{ readonly text: string; readonly owner: Owner | undefined } | undefined> {
  for (let look = 1; ; look++) {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw userError('disk', { where: path, message: `cannot be read (${systemCode(error) ?? String(error)})` }, error);
    });
    if (text === undefined) return undefined;
    const owner = parseOwner(text);
    if (owner !== undefined || look === LOOKS) return { text, owner };
    await setTimeout(LOOK_AGAIN_MS);
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Whether a process has the folder of a run: one of this machine that lives, or one of another, of which nobody here can tell. */
export function isTaken(run: string): boolean {
  let text: string;
  try {
    text = readFileSync(join(run, LOCK), 'utf8');
  } catch {
    return false;
  }
  const owner = parseOwner(text);
  return owner !== undefined && hasEnded(owner) !== true;
}

function refuseIfAlive(run: string, path: string, owner: Owner): void {
  const since = `process ${owner.pid} of host '${owner.host}' since ${owner.startedAt}`;
  const isOver = hasEnded(owner);
  if (isOver === undefined) {
    throw userError('usage', { where: run, message: `is taken by ${since}, which cannot be seen from here`, fix: `if that process has ended, remove ${path}` });
  }
  if (!isOver) throw userError('usage', { where: run, message: `is being trained by ${since}`, fix: 'wait for it, or end it' });
}

/** Takes away the lock of a process of another machine that is known to have ended. */
export async function dropForeignLock(run: string): Promise<void> {
  const path = join(run, LOCK);
  const seen = await readOwner(path);
  if (seen?.owner !== undefined && hasEnded(seen.owner) === undefined) await remove(path, seen.text);
}

/** Takes a dead process's lock away; another process may do the same at this moment and have made its own. */
async function remove(path: string, text: string): Promise<void> {
  // Called like what other writes leave when they are cut short, and taken away with it.
  const aside = join(dirname(path), `.${LOCK}.${process.pid}.tmp`);
  await onDisk(path, async () => {
    try {
      await rename(path, aside);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw error;
    }
    if ((await readFile(aside, 'utf8')) !== text) await copyFile(aside, path, constants.COPYFILE_EXCL).catch(() => undefined);
    await rm(aside, { force: true });
  });
}
