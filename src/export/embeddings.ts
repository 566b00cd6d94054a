import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { onDiskSync, replaceFolder, writeSynced } from '../io/disk.js';
import { quoted, userError } from '../core/errors.js';
import { fileNames } from './embeddings/file-names.js';
import { parquetPieces } from './embeddings/parquet.js';
import { metadataPieces, projectorConfig, vectorPieces } from './embeddings/projector.js';
import { namedTables, type NamedTable } from './embeddings/rows.js';
import { defineFormat, type Exporter } from './format.js';
import type { ExportedModel } from './model.js';

/** Lists the files of an export, and marks its directory. */
const LIST = 'tables.json';
const listSchema = z.looseObject({ files: z.array(z.string()) });

/** Estimated bytes of a number as text and of a row's name, for the disk space check; slightly above average. */
const [TEXT_BYTES, NAME_BYTES] = [13, 32];

/** Files by name in the directory. */
type Contents = ReadonlyMap<string, string | (() => Iterable<Uint8Array>)>;

/** Embedding tables with row names, for nearest-neighbor search, visualization and other models. */
export const embeddings = defineFormat({
  name: 'embeddings',
  summary: 'directory of all tables with row names: Parquet, and files for TensorBoard’s projector',
  target: { kind: 'folder' },
  options: () => ({
    files: z.enum(['both', 'parquet', 'projector']).default('both').describe('File formats written per table'),
  }),

  build({ files }, model, path): Exporter {
    const tables = namedTables(model);
    const texts = tables.reduce((sum, { rows, width }) => sum + rows * (width * TEXT_BYTES + NAME_BYTES), 0);
    const numbers = tables.reduce((sum, { rows, width }) => sum + rows * (width * 4 + NAME_BYTES), 0);
    return {
      bytes: (files === 'parquet' ? 0 : texts) + (files === 'projector' ? 0 : numbers),
      async write() {
        checkFolder(path);
        const contents = buildContents(model, tables, files);
        await replaceFolder(path, async (folder) => {
          for (const [name, content] of contents)
            await writeSynced(join(folder, name), typeof content === 'string' ? content : content());
        });
        return [...contents.keys()].map((name) => join(path, name));
      },
    };
  },
});

function buildContents(
  { about }: ExportedModel,
  tables: readonly NamedTable[],
  files: 'both' | 'parquet' | 'projector',
): Contents {
  const names = fileNames(tables.map(({ name }) => name));
  const listed = tables.map((table) => {
    const base = names.get(table.name)!;
    return { table, parquet: `${base}.parquet`, vectors: `${base}.vectors.tsv`, metadata: `${base}.metadata.tsv` };
  });
  const isParquet = files !== 'projector';
  const isProjector = files !== 'parquet';
  const contents = new Map<string, string | (() => Iterable<Uint8Array>)>();
  for (const { table, parquet, vectors, metadata } of listed) {
    if (isParquet) contents.set(parquet, () => parquetPieces(table));
    if (isProjector) contents.set(vectors, () => vectorPieces(table)).set(metadata, () => metadataPieces(table));
  }
  if (isProjector)
    contents.set(
      'projector_config.pbtxt',
      projectorConfig(listed.map(({ table, vectors, metadata }) => ({ name: table.name, vectors, metadata }))),
    );
  const described = listed.map(({ table: { name, rows, width, fields }, parquet, vectors, metadata }) => ({
    name,
    rows,
    width,
    fields,
    ...(isParquet && { parquet }),
    ...(isProjector && { vectors, metadata }),
  }));
  contents.set(
    LIST,
    `${JSON.stringify({ ...about, tables: described, files: [...contents.keys(), LIST] }, null, 2)}\n`,
  );
  return contents;
}

/** Rejects a directory with files that are not from an earlier export. */
function checkFolder(path: string): void {
  if (!existsSync(path)) return;
  const listed = listedIn(path);
  const foreign = onDiskSync(path, () => readdirSync(path)).find((name) => !listed.includes(name));
  if (foreign !== undefined)
    throw userError('usage', {
      where: path,
      message: `contains ${quoted(foreign)}, which is not from an export of embeddings`,
      fix: 'use a new directory',
    });
}

/** Returns the files of the export in a directory; empty if there is none. */
function listedIn(path: string): readonly string[] {
  const list = join(path, LIST);
  if (!existsSync(list)) return [];
  try {
    return listSchema.parse(JSON.parse(readFileSync(list, 'utf8'))).files;
  } catch {
    return [];
  }
}
