import { statSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';
import { userError } from '../core/errors.js';

/** A pipe that this process has already opened: opening it again does not block. */
const OPEN_PIPE = /^\/(dev\/(fd\/\d+|stdin)|proc\/)/;

interface Asked {
  /** Kind of the error. */
  readonly kind: 'data' | 'config' | 'usage';
  /** Fix if the file is not regular. */
  readonly fix: string;
  /** Accepts a pipe that is already open, such as `<(…)` of a shell; it can be read once. */
  readonly takesOpenPipes?: boolean;
}

/**
 * Rejects pipes, sockets and devices before they are opened: opening a pipe blocks until a writer appears, and ignores
 * signals. Absent files and directories are left to the caller.
 * @throws UserError of the given kind
 */
export function checkRegularFile(path: string, { kind, fix, takesOpenPipes = false }: Asked): void {
  let stats: Stats | undefined;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch {
    return;
  }
  if (stats === undefined || stats.isFile() || stats.isDirectory()) return;
  if (takesOpenPipes && stats.isFIFO() && OPEN_PIPE.test(resolve(path))) return;
  const message = stats.isFIFO()
    ? 'is a pipe, which can be read only once'
    : stats.isSocket()
      ? 'is a socket, not a file'
      : 'is a device, not a file';
  throw userError(kind, { where: path, message, fix });
}
