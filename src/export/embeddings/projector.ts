import { floatText } from '../../text/float-text.js';
import type { NamedTable } from './rows.js';

/** Rows per block of text. */
const PIECE_ROWS = 4096;

/** Yields vectors for TensorBoard's projector: one row per line, tab-separated. */
export function vectorPieces({ rows, getVector }: NamedTable): Generator<Uint8Array> {
  return linePieces(rows, (row) => Array.from(getVector(row), floatText).join('\t'));
}

/**
 * Yields row names with a header. The projector does not support quotes, so tabs, line ends and backslashes are
 * escaped. The row number comes first, since the projector strips leading and trailing spaces of lines.
 */
export function* metadataPieces({ rows, nameRow }: NamedTable): Generator<Uint8Array> {
  yield Buffer.from('row\tname\tmeans\n');
  yield* linePieces(rows, (row) => {
    const { name, means } = nameRow(row);
    return `${row}\t${escaped(name)}\t${means}`;
  });
}

/** Returns the projector's configuration, a text-format protobuf message. */
export function projectorConfig(
  tables: readonly { readonly name: string; readonly vectors: string; readonly metadata: string }[],
): string {
  return tables
    .map(
      ({ name, vectors, metadata }) =>
        `embeddings {\n  tensor_name: ${protobufText(name)}\n  tensor_path: ${protobufText(vectors)}\n` +
        `  metadata_path: ${protobufText(metadata)}\n}\n`,
    )
    .join('');
}

function* linePieces(rows: number, formatLine: (row: number) => string): Generator<Uint8Array> {
  for (let begin = 0; begin < rows; begin += PIECE_ROWS) {
    let text = '';
    for (let row = begin; row < Math.min(rows, begin + PIECE_ROWS); row++) text += `${formatLine(row)}\n`;
    yield Buffer.from(text);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** Escapes all characters that any reader treats as the end of a value or line. */
function escaped(name: string): string {
  return name.replace(/[\\\t\n\r\u2028\u2029]/g, (character) => ESCAPES[character]!);
}

function protobufText(text: string): string {
  // Octal escapes for control characters.
  const safe = text
    .replace(/["\\]/g, '\\$&')
    .replace(/[\u0000-\u001f]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return `"${safe}"`;
}
