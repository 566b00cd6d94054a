import { systemCode, UserError, userError } from '../../core/errors.js';

/** Reasons in words, by the codes of the system and of zlib. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'is a folder, with neither a manifest.json of shards nor Parquet files; expected one of these, or a CSV file',
  EACCES: 'may not be read',
  Z_DATA_ERROR: 'is not whole: what gzip compressed is damaged',
  Z_BUF_ERROR: 'is not whole: what gzip compressed ends too early',
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
