import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { makeFolder, onDisk, replace } from '../io/disk.js';
import { quoted, userError } from '../core/errors.js';
import { fileSink, streamSink, type ByteSink } from './byte-sink.js';
import type { RowWriter, ScoredColumns, WriteBytes } from './scored-rows.js';
import { csvWriter, jsonlWriter } from './text-writers.js';

/** Writes rows atomically: if `work` fails, an existing file stays unchanged. `work` ends the writer. */
export type Output = (columns: ScoredColumns, work: (writer: RowWriter) => Promise<void>) => Promise<void>;

type CreateWriter = (columns: ScoredColumns, writeBytes: WriteBytes) => RowWriter | Promise<RowWriter>;

/** Formats by file extension. */
const FORMATS: Readonly<Record<string, CreateWriter>> = {
  '.csv': csvWriter,
  '.jsonl': jsonlWriter,
  // Loaded on demand.
  '.parquet': async (columns, writeBytes) => (await import('./parquet-writer.js')).parquetWriter(columns, writeBytes),
};

/**
 * Selects the output format before any row exists.
 * @param target a file with a known extension, or a stream for CSV
 * @throws UserError (usage) for an unknown extension; (disk) for a directory
 */
export function openOutput(target: string | Writable): Output {
  if (typeof target !== 'string') return (columns, work) => writeTo(streamSink(target), csvWriter, columns, work);
  const { createWriter, isGzip } = selectFormat(target);
  const path = resolve(target);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw userError('disk', {
      where: target,
      message: 'is a directory; expected a file',
      fix: 'use a file in it',
    });
  }
  return async (columns, work) => {
    await onDisk(path, () => makeFolder(dirname(path)));
    await replace(path, async (temporary) => writeTo(await fileSink(temporary, isGzip), createWriter, columns, work));
  };
}

function selectFormat(path: string): { readonly createWriter: CreateWriter; readonly isGzip: boolean } {
  const [, ending = '', gzip] = /(\.\w+?)(\.gz)?$/i.exec(path) ?? [];
  const createWriter = Object.entries(FORMATS).find(([name]) => name === ending.toLowerCase())?.[1];
  // Parquet compresses its own columns.
  if (createWriter === undefined || (gzip !== undefined && ending.toLowerCase() === '.parquet')) {
    throw userError('usage', {
      where: '--out',
      message:
        'expected a file name that ends in .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet, or - for CSV on ' +
        `standard output, found ${quoted(path)}`,
      fix: `use ${path === '' ? 'predictions' : path.replace(/\.\w*$/, '')}.csv`,
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
