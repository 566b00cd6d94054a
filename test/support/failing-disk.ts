import { lstatSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, truncateSync } from 'node:fs';
import type * as fs from 'node:fs';
import type * as fsPromises from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** A disk operation of a program. */
export interface DiskOperation {
  readonly kind: 'open' | 'write' | 'sync' | 'close' | 'rename' | 'mkdir' | 'symlink' | 'rm' | 'statfs';
  readonly path: string;
}

/** Outcome of an operation: success, an error, or the death of the process during or after it. */
export type Fate = 'done' | 'dies within' | 'dies after' | { readonly code: string };

/** A simulated disk in front of the real one, which fails on request. */
export interface FailingDisk {
  /** Decides the outcome of each operation, numbered from 1. */
  fate: (operation: DiskOperation, number: number) => Fate;
  /** Operations so far. */
  readonly operations: DiskOperation[];
  /** Free bytes that statfs reports instead of the real ones. */
  freeBytes: number | undefined;
  /** Clears the history; all operations succeed again. */
  reset(): void;
  /** Removes everything that was never synced: file contents and renames. */
  losePower(): void;
  /** node:fs/promises on this disk. */
  over(real: typeof fsPromises): typeof fsPromises;
  /** node:fs on this disk; syncs files opened through `over`. */
  overSync(real: typeof fs): typeof fs;
}

/** A system error with a code. */
function systemError(code: string): Error {
  return Object.assign(new Error(code), { code, errno: -1 });
}

/** Creates a disk on which all operations succeed. */
export function createFailingDisk(): FailingDisk {
  let isDead = false;
  let dirty = new Set<string>();
  /** Renames in a directory that is not synced yet, with the replaced targets. */
  let renames: { readonly from: string; readonly to: string; readonly replacedLink: string | undefined }[] = [];
  /** Paths of open files. */
  const opened = new Map<number, string>();
  const linkAt = (path: string): string | undefined =>
    lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(path) : undefined;

  const act = async <Result>(
    kind: DiskOperation['kind'],
    path: string,
    whole: () => Promise<Result>,
    half: () => Promise<unknown> = () => Promise.resolve(),
  ): Promise<Result> => {
    if (isDead) throw systemError('EIO');
    const operation = { kind, path };
    disk.operations.push(operation);
    const fate = disk.fate(operation, disk.operations.length);
    if (fate === 'done') return whole();
    if (typeof fate === 'object') {
      if (kind === 'write') await half();
      throw systemError(fate.code);
    }
    isDead = true;
    if (fate === 'dies within') await half();
    const result = fate === 'dies after' ? await whole() : undefined;
    if (kind === 'open') await (result as FileHandle | undefined)?.close();
    throw systemError('EIO');
  };

  const disk: FailingDisk = {
    fate: () => 'done',
    operations: [],
    freeBytes: undefined,
    reset() {
      disk.fate = () => 'done';
      disk.operations.length = 0;
      disk.freeBytes = undefined;
      isDead = false;
      dirty = new Set();
      renames = [];
    },
    losePower() {
      for (const path of dirty)
        if (statSync(path, { throwIfNoEntry: false })?.isFile() === true)
          truncateSync(path, Math.floor(statSync(path).size / 2));
      for (const { from, to, replacedLink } of renames.toReversed()) {
        renameSync(to, from);
        if (replacedLink !== undefined) symlinkSync(replacedLink, to);
      }
    },
    over(real) {
      const wrap = (file: FileHandle, path: string): FileHandle =>
        new Proxy(file, {
          get(target, key) {
            const write = (
              data: Uint8Array,
              offset = 0,
              length = data.byteLength - offset,
              position: number | null = null,
            ) =>
              act(
                'write',
                path,
                () => (dirty.add(path), target.write(data, offset, length, position)),
                () => (dirty.add(path), target.write(data, offset, Math.floor(length / 2), position)),
              );
            if (key === 'write') return write;
            if (key === 'writev')
              return (parts: readonly Uint8Array[]) =>
                act(
                  'write',
                  path,
                  () => (dirty.add(path), target.writev(parts)),
                  () => (dirty.add(path), target.writev(parts.slice(0, parts.length >> 1))),
                );
            if (key === 'writeFile')
              return (data: Uint8Array | string) => write(typeof data === 'string' ? Buffer.from(data) : data);
            if (key === 'close')
              return async () => {
                opened.delete(target.fd);
                await target.close();
                if (isDead) throw systemError('EIO');
              };
            const value: unknown = Reflect.get(target, key);
            return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
          },
        });
      return {
        ...real,
        open: (async (path: string, flags?: string | number) => {
          const file = await act('open', path, () => real.open(path, flags));
          opened.set(file.fd, path);
          return wrap(file, path);
        }) as typeof real.open,
        rename: ((from: string, to: string) =>
          act('rename', to, async () => {
            renames.push({ from, to, replacedLink: linkAt(to) });
            await real.rename(from, to);
            dirty = new Set(
              [...dirty].map((path) =>
                path === from || path.startsWith(`${from}/`) ? to + path.slice(from.length) : path,
              ),
            );
          })) as typeof real.rename,
        mkdir: ((path: string, options?: object) =>
          act('mkdir', path, () => real.mkdir(path, options))) as typeof real.mkdir,
        symlink: ((target: string, path: string) =>
          act('symlink', path, () => real.symlink(target, path))) as typeof real.symlink,
        rm: ((path: string, options?: object) =>
          act(
            'rm',
            path,
            () => real.rm(path, options),
            () => {
              // A partially removed directory.
              rmSync(`${path}/manifest.json`, { force: true });
              return Promise.resolve();
            },
          )) as typeof real.rm,
        statfs: ((path: string) =>
          act('statfs', path, async () => {
            const stats = await real.statfs(path);
            return disk.freeBytes === undefined ? stats : Object.assign(stats, { bsize: 1, bavail: disk.freeBytes });
          })) as typeof real.statfs,
      };
    },
    overSync(real) {
      const fsync = (fd: number, callback: (error: Error | null) => void): void => {
        const path = opened.get(fd)!;
        const sync = async (): Promise<void> => {
          await promisify(real.fsync)(fd);
          dirty.delete(path);
          renames = renames.filter(({ to }) => dirname(to) !== path);
        };
        act('sync', path, sync).then(() => callback(null), callback);
      };
      return { ...real, fsync: fsync as typeof real.fsync };
    },
  };
  return disk;
}
