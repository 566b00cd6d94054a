import { statSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';
import { userError } from '../core/errors.js';

/** A pipe that this process has open already: to open it again waits for nobody. */
const OPEN_PIPE = /^\/(dev\/(fd\/\d+|stdin)|proc\/)/;

/** How a file is asked for. */
interface Asked {
  /** What its error is of. */
  readonly kind: 'data' | 'config' | 'usage';
  /** What to do about one that is none. */
  readonly fix: string;
  /** Whether a pipe is taken that is open already, as of `<(…)` in a shell; it is read once. */
  readonly takesOpenPipes?: boolean;
}

/**
 * Checks that a path is no pipe, socket or device, before it is opened: to open a pipe waits for one who writes, and no
 * signal ends that.
 * What is not there, or a directory, is left to whoever opens it.
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
      ? 'is a socket, and no file'
      : 'is a device, and no file';
  throw userError(kind, { where: path, message, fix });
}
