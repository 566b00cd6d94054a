import type { ScoredColumns, ScoredRows } from './scored-rows.js';
import { TextBytes } from './text-bytes.js';

const COMMA = 44;
const LF = 10;

/** Formats rows as text. */
export interface RowFormatter {
  /** Bytes before the first row. */
  readonly header: Uint8Array;
  /** @returns bytes that do not change afterward */
  format(rows: ScoredRows): Uint8Array;
}

/** Formats of text, by name. */
export const TEXT_FORMATS = { csv: csvFormatter, jsonl: jsonlFormatter } as const;
export type TextFormat = keyof typeof TEXT_FORMATS;

/** Formats CSV with a header: raw values, and empty for missing predictions. */
function csvFormatter({ inputs: inputNames, predictions: names }: ScoredColumns): RowFormatter {
  const text = new TextBytes();
  const isAlone = inputNames.length + names.length === 1;
  [...inputNames, ...names].forEach((name, c) => {
    if (c > 0) text.byte(COMMA);
    text.cell(name);
  });
  text.byte(LF);
  return {
    header: text.take(),
    format({ rows, inputs, predictions }) {
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
      return text.take();
    },
  };
}

/** Formats JSON Lines: values as strings, null for missing predictions. */
function jsonlFormatter({ inputs: inputNames, predictions: names }: ScoredColumns): RowFormatter {
  const text = new TextBytes();
  const keys = [...inputNames, ...names].map((name, c) => `${c === 0 ? '{' : ','}${JSON.stringify(name)}:`);
  return {
    header: new Uint8Array(0),
    format({ rows, inputs, predictions }) {
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
      return text.take();
    },
  };
}
