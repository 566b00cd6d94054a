import { systemCode, UserError, userError } from '../../core/errors.js';

/** Reasons in words, by the codes of the system and of zlib. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'is a directory without a shard manifest.json or Parquet files; expected one of these, or a CSV file',
  EACCES: 'cannot be read: permission denied',
  Z_DATA_ERROR: 'is damaged: invalid gzip data',
  Z_BUF_ERROR: 'is truncated: the gzip data ends early',
};

/** What is thrown while a file is read, as an error with its path where it is one of the system's. */
export function unreadable(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (error instanceof UserError || code === undefined) return error;
  return userError('data', { where: path, message: REASONS[code] ?? `cannot be read (${code})` }, error);
}

/**
 * Reads from a file.
 * @throws UserError (data) with its path, where the system says that it cannot be read
 */
export async function readable<Result>(path: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    throw unreadable(path, error);
  }
}
