import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { makeFolder, onDisk, replace } from '../io/disk.js';
import { userError } from '../core/errors.js';
import { fileSink, streamSink, type ByteSink } from './byte-sink.js';
import type { RowWriter, ScoredColumns, WriteBytes } from './scored-rows.js';
import { csvWriter, jsonlWriter } from './text-writers.js';

/**
 * Writes rows, all or none: where the work fails, nothing of it is left, and what was there before is as it was. The
 * work ends the writer.
 */
export type Output = (columns: ScoredColumns, work: (writer: RowWriter) => Promise<void>) => Promise<void>;

type CreateWriter = (columns: ScoredColumns, writeBytes: WriteBytes) => RowWriter | Promise<RowWriter>;

/** The formats by the endings of their files. */
const FORMATS: Readonly<Record<string, CreateWriter>> = {
  '.csv': csvWriter,
  '.jsonl': jsonlWriter,
  // Loaded only then.
  '.parquet': async (columns, writeBytes) => (await import('./parquet-writer.js')).parquetWriter(columns, writeBytes),
};

/**
 * Finds out how rows are written, before any is there.
 * @param target a file, whose ending says what it is, or a stream that takes CSV
 * @throws UserError (usage) for a name whose ending says nothing; (disk) where a folder is in the way
 */
export function openOutput(target: string | Writable): Output {
  if (typeof target !== 'string') return (columns, work) => writeTo(streamSink(target), csvWriter, columns, work);
  const { createWriter, isGzip } = formatOf(target);
  const path = resolve(target);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw userError('disk', {
      where: target,
      message: 'is a folder; expected the name of a file to write',
      fix: 'name a file in it',
    });
  }
  return async (columns, work) => {
    await onDisk(path, () => makeFolder(dirname(path)));
    await replace(path, async (temporary) => writeTo(await fileSink(temporary, isGzip), createWriter, columns, work));
  };
}

function formatOf(path: string): { readonly createWriter: CreateWriter; readonly isGzip: boolean } {
  const [, ending = '', gzip] = /(\.\w+?)(\.gz)?$/i.exec(path) ?? [];
  const createWriter = Object.entries(FORMATS).find(([name]) => name === ending.toLowerCase())?.[1];
  // Parquet compresses its columns itself.
  if (createWriter === undefined || (gzip !== undefined && ending.toLowerCase() === '.parquet')) {
    throw userError('usage', {
      where: '--out',
      message: `expected a name that ends in .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet, or - for CSV on standard output, found '${path}'`,
      fix: `write ${path === '' ? 'predictions' : path.replace(/\.\w*$/, '')}.csv`,
    });
  }
  return { createWriter, isGzip: gzip !== undefined };
}

async function writeTo(
  sink: ByteSink,
  createWriter: CreateWriter,
  columns: ScoredColumns,
  work: (writer: RowWriter) => Promise<void>,
): Promise<void> {
  try {
    await work(await createWriter(columns, sink.write));
    await sink.end();
  } catch (error) {
    sink.destroy();
    throw error;
  }
}
