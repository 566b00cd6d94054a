import { systemCode, UserError, userError } from '../../core/errors.js';

/** Messages by the codes of the system and of zlib. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'is a directory without a shard manifest.json or Parquet files; expected one of these, or a CSV file',
  EACCES: 'cannot be read: permission denied',
  Z_DATA_ERROR: 'is damaged: invalid gzip data',
  Z_BUF_ERROR: 'is truncated: the gzip data ends early',
};

/** Adds the path of a file to an error of the system; returns any other error as it is. */
export function unreadable(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (error instanceof UserError || code === undefined) return error;
  return userError('data', { where: path, message: REASONS[code] ?? `cannot be read (${code})` }, error);
}

/** Returns the failure of a read after some rows: an error that names only the file also gets the line. */
export function readFailure(path: string, error: unknown): { failure(line: number): Error } {
  const found = unreadable(path, error) as Error;
  return {
    failure(line) {
      if (!(found instanceof UserError)) return found;
      const located = found.problems.map((each) =>
        each.where === path ? { ...each, where: `${path}:${line}` } : each,
      );
      return new UserError(found.kind, located, { cause: found });
    },
  };
}

/**
 * Calls a function that reads a file.
 * @throws UserError (data) with the path if the system reports that the file cannot be read
 */
export async function readable<Result>(path: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    throw unreadable(path, error);
  }
}
