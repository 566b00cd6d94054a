import type { DialectOptions, TEXT_FORMATS } from '../dialect.js';
import type { ByteSource } from './byte-source.js';
import type { CellFile } from './cell-file.js';
import { openCsv } from './csv.js';
import type { JsonLinesOptions } from './json-lines.js';
import { readable } from './unreadable.js';

/** Bytes that are looked at. */
const LOOK_BYTES = 1 << 10;
/** What the names of files say, before that of what they are compressed by. */
const NAMES = [
  [/\.(jsonl|ndjson|json)(\.(gz|zst|zstd))?$/i, 'jsonl'],
  [/\.(csv|tsv|psv|txt)(\.(gz|zst|zstd))?$/i, 'csv'],
] as const;

/**
 * Opens a text file: CSV, or lines of JSON, as is said, as its name says, or as its first character does.
 * @throws UserError (data) for a file that cannot be read
 */
export async function openText(
  source: ByteSource,
  options: DialectOptions,
  reading: JsonLinesOptions,
): Promise<CellFile> {
  if ((options.format ?? NAMES.find(([name]) => name.test(source.path))?.[1] ?? (await firstFormat(source))) === 'csv')
    return openCsv(source, options, reading.wanted);
  // Loaded only then.
  const { openJsonLines } = await import('./json-lines.js');
  return openJsonLines(source, options, reading);
}

async function firstFormat(source: ByteSource): Promise<(typeof TEXT_FORMATS)[number]> {
  return readable(source.path, async () => {
    for await (const { bytes } of source.look(LOOK_BYTES)) {
      const first = bytes.toString('utf8').replace('\ufeff', '').trimStart()[0];
      if (first !== undefined) return first === '{' ? 'jsonl' : 'csv';
    }
    return 'csv';
  });
}
