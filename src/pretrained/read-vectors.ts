import type { Field } from '../features/feature.js';
import type { InitialVectors } from '../features/init-from.js';
import * as all from './formats/all.js';
import { vectorError, type VectorFile } from './formats/format.js';

/** Pretrained vectors by the field that owns the table. */
export type Pretrained = ReadonlyMap<string, VectorFile>;

/**
 * Reads the pretrained vectors of all tables.
 * @throws UserError (data) with the file, the row and the fix, for a file of another format or width, an element that
 * is not finite, and a row without a value
 */
export async function readPretrained(fields: readonly Field[]): Promise<Pretrained> {
  const files = new Map<string, VectorFile>();
  for (const { name, owner, width, initFrom } of fields) {
    if (initFrom === undefined || owner !== name) continue;
    const file = await readVectorFile(initFrom);
    checkVectors(file, name, width);
    files.set(name, file);
  }
  return files;
}

async function readVectorFile(options: InitialVectors): Promise<VectorFile> {
  const formats = Object.values(all);
  const format = formats.find(({ pattern }) => pattern.test(options.file));
  if (format !== undefined) return format.read(options);
  const names = formats.map(({ name }) => name).join(', ');
  throw vectorError(options.file, `expected a file of vectors: ${names}`, 'rename or convert the file');
}

function checkVectors({ path, rows, width, data, keyOf }: VectorFile, field: string, expectedWidth: number): void {
  if (width !== expectedWidth)
    throw vectorError(
      path,
      `has vectors of width ${width}, but field '${field}' has width ${expectedWidth}`,
      fixWidth(width),
    );
  const first = data.findIndex((element) => !Number.isFinite(element));
  if (first >= 0) {
    const row = Math.floor(first / width);
    const message = `element ${first % width} of the vector of '${keyOf(row)}' is ${data[first]}`;
    throw vectorError(path, message, 'remove the row, or replace the element', row);
  }
  for (let row = 0; row < rows; row++)
    if (keyOf(row) === '') throw vectorError(path, 'has no value', 'remove the row, or add its value', row);
}

function fixWidth(width: number): string {
  return width > 0 ? `set width: ${width}, or reduce the vectors, for example by PCA` : 'write at least one vector';
}
