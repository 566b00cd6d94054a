import { userError } from '../../core/errors.js';
import { WORD } from '../compile/arena.js';

/**
 * Addresses from here on are of tables that lie in memory of their own, since one memory of WebAssembly ends here. Each
 * has its range of
 * them, which nothing but calls knows: native kernels take where it lies in this process, and for the others its rows
 * are brought to them.
 */
export const APART = 2 ** 32;

/** What has to be known of a table. */
interface Rows {
  readonly name: string;
  readonly at: number;
  readonly rows: number;
  readonly stride: number;
}

/** A table in memory of its own. */
export interface Apart {
  /** Its address among those of calls. */
  readonly at: number;
  /** Its rows, shared with all threads. */
  readonly floats: Float32Array;
}

/** Hands out ranges of addresses. */
export function placesApart(): (bytes: number) => number {
  let end = APART;
  return (bytes) => {
    const at = end;
    end = Math.ceil((at + bytes) / 64) * 64;
    return at;
  };
}

/**
 * Memory for the tables that lie apart; all zeros, which take no memory before they are touched.
 * @throws UserError (data) for one that this Node has no memory for
 */
export function createApart(tables: readonly Rows[]): readonly Apart[] {
  return tables.filter(isApart).map(({ name, at, rows, stride }) => {
    const bytes = rows * stride * WORD;
    try {
      return { at, floats: new Float32Array(new SharedArrayBuffer(bytes)) };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw userError(
        'data',
        {
          key: 'features',
          message:
            `table '${name}' with ${rows} rows requires ${(bytes / 2 ** 30).toFixed(1)} GiB with its optimizer ` +
            `state, more than Node ${process.versions.node} can allocate at once`,
          fix: 'reduce the width or rows, use an optimizer with less state (row-wise-adagrad), or update Node',
        },
        error,
      );
    }
  });
}

/** Whether a table lies in memory of its own. */
export function isApart({ at }: Pick<Rows, 'at'>): boolean {
  return at >= APART;
}

/** The floats that a call's table lies among, and how many of them come before it. */
export function rowsAt(
  at: number,
  main: Float32Array,
  apart: readonly Apart[],
): { readonly floats: Float32Array; readonly first: number } {
  if (at < APART) return { floats: main, first: at / WORD };
  const own = apart.find((each) => at >= each.at && at < each.at + each.floats.length * WORD);
  if (own === undefined) throw new RangeError('memory access out of bounds');
  return { floats: own.floats, first: (at - own.at) / WORD };
}
