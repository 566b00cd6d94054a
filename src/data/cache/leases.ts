import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, utimesSync, writeSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import os from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { wallClockMs } from '../../system/clock.js';
import { createFileAtomic } from '../../io/disk.js';
import { hasExited, ownerSchema, thisProcess, type Owner } from '../../system/owner.js';
import { ENTRY } from './entry.js';

// A process names each entry in a lease, a file of its own in the cache directory, before it uses the entry. A process
// that evicts first creates a mark and then reads the leases; one that uses an entry first writes its lease and then
// checks for the mark. So the evicting process sees the lease, or the other one sees the mark, waits, and checks that
// the entry exists.

const LEASE = /^\.lease\..*$/;
/** Mark of the process that evicts. */
const MARK = '.evicting';
/** Time for which a process of another host counts as alive after its last write. */
const UNKNOWN_MS = 7 * 24 * 3600 * 1000;
/** Age from which a mark of another host is stale; an eviction takes seconds. */
const MARK_MS = 10 * 60 * 1000;
const LOOK_EVERY_MS = 50;
const MAX_LOOKS = 200;

interface Lease {
  readonly path: string;
  readonly file: number;
  readonly names: Set<string>;
}
/** Leases of this process by directory. */
const leases = new Map<string, Lease>();
let numLeases = 0;

/**
 * Protects an entry from eviction until this process ends, and sets its time of use. Does nothing if the directory
 * cannot be written. The entry may have been evicted just before.
 */
export async function takeEntry(path: string): Promise<void> {
  const [folder, name] = [dirname(path), basename(path)];
  const lease = leaseIn(folder);
  if (lease !== undefined && !lease.names.has(name)) {
    lease.names.add(name);
    writeSync(lease.file, `${name}\n`);
    for (let look = 0; look < MAX_LOOKS && isMarked(folder); look++) await setTimeout(LOOK_EVERY_MS);
  }
  const now = new Date(wallClockMs());
  try {
    utimesSync(join(path, ENTRY), now, now);
  } catch {
    // It belongs to another user, or does not exist yet.
  }
}

function leaseIn(folder: string): Lease | undefined {
  const known = leases.get(folder);
  // The directory may have been removed and created again.
  if (known !== undefined && existsSync(known.path)) return known;
  if (known === undefined && leases.size === 0) {
    process.once('exit', () => leases.forEach(({ path }) => rmSync(path, { force: true })));
  }
  if (known !== undefined) closeSync(known.file);
  leases.delete(folder);
  try {
    const path = join(folder, `.lease.${os.hostname()}-${process.pid}-${++numLeases}`);
    const lease: Lease = { path, file: openSync(path, 'wx'), names: new Set() };
    writeSync(lease.file, `${JSON.stringify(thisProcess())}\n`);
    leases.set(folder, lease);
    return lease;
  } catch {
    return undefined;
  }
}

function isMarked(folder: string): boolean {
  try {
    const path = join(folder, MARK);
    return existsSync(path) && isAlive(ownerIn(readFileSync(path, 'utf8')), statSync(path).mtimeMs, MARK_MS);
  } catch {
    return false;
  }
}

/** Returns the names of the entries of a directory that live processes use, and removes leases of dead ones. */
export async function usedEntries(folder: string): Promise<ReadonlySet<string>> {
  const used = new Set<string>();
  for (const lease of (await readdir(folder)).filter((name) => LEASE.test(name))) {
    const path = join(folder, lease);
    try {
      const text = await readFile(path, 'utf8');
      const isLive = isAlive(ownerIn(text), statSync(path).mtimeMs, UNKNOWN_MS);
      if (isLive)
        text
          .split('\n')
          .slice(1)
          .forEach((name) => used.add(name));
      else await rm(path, { force: true });
    } catch {
      // Its process has ended, or it belongs to another user.
    }
  }
  return used;
}

/**
 * Runs an eviction while no other process evicts in the directory.
 * @returns undefined if another one does
 * @throws UserError (disk) if the directory cannot be written
 */
export async function whileEvicting<Result>(folder: string, evict: () => Promise<Result>): Promise<Result | undefined> {
  const path = join(folder, MARK);
  const own = `${JSON.stringify(thisProcess())}\n`;
  if (!(await createFileAtomic(path, own))) {
    if (isMarked(folder)) return undefined;
    await rm(path, { force: true });
    if (!(await createFileAtomic(path, own))) return undefined;
  }
  try {
    return await evict();
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

function isAlive(owner: Owner | undefined, writtenMs: number, unknownMs: number): boolean {
  const ended = owner === undefined ? undefined : hasExited(owner);
  return ended === undefined ? wallClockMs() - writtenMs < unknownMs : !ended;
}

function ownerIn(text: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text.split('\n')[0]!));
  } catch {
    return undefined;
  }
}
