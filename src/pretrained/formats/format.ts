import { userError, type UserError } from '../../core/errors.js';
import type { InitialVectors } from '../../features/init-from.js';

/** Vectors of a file, each with the value that it belongs to. */
export interface VectorFile {
  readonly path: string;
  readonly rows: number;
  readonly width: number;
  /** Values in row-major order. */
  readonly data: Float32Array;
  /** Returns the value of a row, from 0. */
  keyOf(row: number): string;
}

/** A file format of vectors. */
export interface VectorFormat {
  readonly name: string;
  readonly pattern: RegExp;
  /** @throws UserError (data) with the file, the row and the fix */
  read(options: InitialVectors): Promise<VectorFile>;
}

/** Creates the error for a file, or for one of its rows, counted from 0. */
export function vectorError(path: string, message: string, fix: string, row?: number): UserError {
  return userError('data', { where: path, ...(row !== undefined && { key: `row ${row}` }), message, fix });
}
