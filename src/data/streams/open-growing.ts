import { fileSource, openHead, type ByteSource } from '../readers/byte-source.js';
import type { CellFile, RowSource } from '../readers/cell-file.js';
import { openCsv } from '../readers/csv.js';
import { findFormat, openRows, rowSource } from '../readers/open-rows.js';
import { isParquet } from '../readers/parquet/is-parquet.js';
import type { DataFile } from '../sources/find-files.js';
import type { StreamOpening } from './chunk-stream.js';

const LF = 10;

/**
 * Opens a file of a stream, of which a part may not exist yet. Parquet is not written line by line, so it is complete.
 * @throws UserError (data) for a file that cannot be read or lacks a column
 */
export async function openGrowingFile(
  { path, constants }: Pick<DataFile, 'path' | 'constants'>,
  opening: StreamOpening,
): Promise<RowSource<CellFile>> {
  const { columns, dialect } = opening;
  const head = openHead(path);
  if (isParquet(path, head.bytes)) return openRows(path, columns, dialect, constants);
  return openGrowingText(fileSource(path, dialect.encoding, path, head), opening, constants);
}

/**
 * Opens a text of which nothing but the first line may exist yet. A CSV's delimiter is thus found in its header alone,
 * whatever follows by then.
 * @param constants columns with one value for all rows, which the text may lack
 * @throws UserError (data) for a text that cannot be read or lacks a column
 */
export async function openGrowingText(
  source: ByteSource,
  { columns, dialect }: StreamOpening,
  constants: ReadonlyMap<string, string> = new Map(),
): Promise<RowSource<CellFile>> {
  if ((await findFormat(source, dialect)) === 'csv')
    return rowSource(await openCsv(firstLineOf(source), dialect, columns), columns, constants);
  // Loaded on demand.
  const { openGrowingLines } = await import('../readers/json-lines.js');
  const own = columns.filter((name) => !constants.has(name));
  return rowSource(openGrowingLines(source, own), columns, constants);
}

/** Limits looks to the first line that is not empty. */
function firstLineOf(source: ByteSource): ByteSource {
  return {
    ...source,
    async *look(chunkBytes) {
      for await (const chunk of source.look(chunkBytes)) {
        const end = chunk.bytes.indexOf(LF);
        if (end < 0) yield chunk;
        else {
          yield { ...chunk, bytes: chunk.bytes.subarray(0, end + 1) };
          return;
        }
      }
    },
  };
}
