import type { RowWriter, ScoredColumns, WriteBytes } from './scored-rows.js';
import { TextBytes } from './text-bytes.js';

const COMMA = 44;
const LF = 10;

/** Writes CSV with a header: raw values, and empty for missing predictions. */
export function csvWriter(
  { inputs: inputNames, predictions: names }: ScoredColumns,
  writeBytes: WriteBytes,
): RowWriter {
  const text = new TextBytes();
  const isAlone = inputNames.length + names.length === 1;
  [...inputNames, ...names].forEach((name, c) => {
    if (c > 0) text.byte(COMMA);
    text.cell(name);
  });
  text.byte(LF);
  return {
    write({ rows, inputs, predictions }) {
      for (let row = 0; row < rows; row++) {
        for (let c = 0; c < inputs.length; c++) {
          text.cell(inputs[c]![row]!);
          text.byte(COMMA);
        }
        for (let c = 0; c < predictions.length; c++) {
          if (c > 0) text.byte(COMMA);
          const value = predictions[c]![row]!;
          if (!Number.isNaN(value)) text.float(value);
          // Most readers skip an empty line.
          else if (isAlone) text.text('""');
        }
        text.byte(LF);
      }
      return writeBytes(text.take());
    },
    end: () => writeBytes(text.take()),
  };
}

/** Writes JSON Lines: values as strings, null for missing predictions. */
export function jsonlWriter(
  { inputs: inputNames, predictions: names }: ScoredColumns,
  writeBytes: WriteBytes,
): RowWriter {
  const text = new TextBytes();
  const keys = [...inputNames, ...names].map((name, c) => `${c === 0 ? '{' : ','}${JSON.stringify(name)}:`);
  return {
    write({ rows, inputs, predictions }) {
      for (let row = 0; row < rows; row++) {
        for (let c = 0; c < inputs.length; c++) {
          text.text(keys[c]!);
          text.text(JSON.stringify(inputs[c]![row]!));
        }
        for (let c = 0; c < predictions.length; c++) {
          text.text(keys[inputs.length + c]!);
          const value = predictions[c]![row]!;
          if (Number.isNaN(value)) text.text('null');
          else text.float(value);
        }
        text.text('}\n');
      }
      return writeBytes(text.take());
    },
    end: () => writeBytes(text.take()),
  };
}
