import { quoted } from '../core/errors.js';
import type { ProcessGroup } from '../core/process-group.js';
import type { HostTensor } from '../core/tensor.js';
import { tableTensor, type Program } from '../engines/engine.js';
import { BadValue, type EncodedField } from '../features/feature.js';
import { mergeState } from '../warm-start/merged-state.js';
import { vectorError, type VectorFile } from './formats/format.js';
import type { Pretrained } from './read-vectors.js';

/** Rows of a table that a file has, for the log. */
export interface LoadedRows {
  readonly field: string;
  readonly file: string;
  /** Rows of the table without the out-of-vocabulary id, and those that the file has. */
  readonly rows: number;
  readonly found: number;
  /** Rows of the file whose value the field does not have. */
  readonly unused: number;
  readonly trainable: boolean;
}

/**
 * Writes pretrained vectors to the tables of a program; other rows keep their initialization. If a model has several
 * parts per embedding, each starts from the vector.
 * @throws UserError (data) for a value that the encoding rejects or that occurs twice, and for a file without any value
 * of the field
 */
export function loadPretrained(
  program: Pick<Program, 'state' | 'restore'>,
  fields: readonly EncodedField[],
  pretrained: Pretrained,
  peers: ProcessGroup,
): readonly LoadedRows[] {
  if (pretrained.size === 0) return [];
  const initialState = program.state();
  const weights = new Map<string, HostTensor>();
  const missing = new Map<string, Uint32Array>();
  const loaded: LoadedRows[] = [];
  for (const [name, file] of pretrained) {
    const field = fields.find((each) => each.name === name)!;
    const tensor = tableTensor(name);
    const rowOf = matchRows(field, file);
    weights.set(tensor, copyVectors(file, rowOf, initialState.weights.get(tensor)!.shape[1]!));
    missing.set(
      tensor,
      Uint32Array.from(rowOf.keys()).filter((row) => rowOf[row]! < 0),
    );
    const found = rowOf.length - missing.get(tensor)!.length;
    const rows = field.rows - (field.learnsTexts === true ? 1 : 0);
    const trainable = field.initFrom!.trainable;
    loaded.push({ field: name, file: file.path, rows, found, unused: file.rows - found, trainable });
  }
  const found = { step: 0, weights, optimizer: new Map<string, HostTensor>() };
  program.restore(mergeState(initialState, found, new Set(weights.keys()), missing, peers));
  return loaded;
}

/** Describes the loaded rows of a table in a line. */
export function describeLoadedRows({ field, file, rows, found, unused, trainable }: LoadedRows): string {
  return (
    `field '${field}': ${found} of ${rows} rows from ${file}${trainable ? '' : ', frozen'}` +
    (unused > 0 ? `; ${unused} of its rows are of other values` : '')
  );
}

/** Finds the row of a file for each row of a field's table; -1 if there is none. */
function matchRows(field: EncodedField, { path, rows, keyOf }: VectorFile): Int32Array {
  const rowOf = new Int32Array(field.rows).fill(-1);
  let found = 0;
  for (let row = 0; row < rows; row++) {
    const key = keyOf(row);
    const id = encodeKey(field, path, key, row);
    if (isUnknown(field, key, id)) continue;
    const other = rowOf[id]!;
    if (other >= 0) {
      const same =
        keyOf(other) === key ? `occurs in row ${other} too` : `has the id of ${quoted(keyOf(other))} in row ${other}`;
      throw vectorError(
        path,
        `${quoted(key)} ${same}`,
        'keep one of both rows; with hashed values, use encoding: tokens',
        row,
      );
    }
    rowOf[id] = row;
    found++;
  }
  if (found > 0) return rowOf;
  const example = rows > 0 ? `, such as ${quoted(keyOf(0))}` : '';
  const message = `none of its ${rows} values${example}, is a value of field '${field.name}'`;
  throw vectorError(path, message, 'write the values as in the data, or correct initFrom.key or initFrom.keys');
}

function encodeKey(field: EncodedField, path: string, key: string, row: number): number {
  try {
    return field.encode(key);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    const message = `expected ${error.expected}, found ${quoted(key)}`;
    throw vectorError(path, message, `remove the row, or correct the encoding of field '${field.name}'`, row);
  }
}

/** Returns whether an encoding maps a value to the out-of-vocabulary id 0, which is also a value in plain ids. */
function isUnknown({ learnsTexts }: EncodedField, key: string, id: number): boolean {
  return id === 0 && (learnsTexts === true || Number(key) !== 0);
}

function copyVectors({ width, data }: VectorFile, rowOf: Int32Array, tableWidth: number): HostTensor {
  const table = new Float32Array(rowOf.length * tableWidth);
  for (const [id, row] of rowOf.entries()) {
    if (row < 0) continue;
    const vector = data.subarray(row * width, (row + 1) * width);
    for (let part = 0; part < tableWidth; part += width) table.set(vector, id * tableWidth + part);
  }
  return { shape: [rowOf.length, tableWidth], data: table };
}
