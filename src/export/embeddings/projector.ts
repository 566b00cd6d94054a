import { floatText } from '../../data/files/parquet/number-text.js';
import type { NamedTable } from './rows.js';

/** Rows of a piece of text. */
const PIECE_ROWS = 4096;

/** The vectors of a table as TensorBoard's projector reads them: a row a line, numbers with tabs between them. */
export function vectorPieces({ rows, vectorOf }: NamedTable): Generator<Uint8Array> {
  return linePieces(rows, (row) => Array.from(vectorOf(row), floatText).join('\t'));
}

/**
 * What its rows are called, below a header. The projector takes no quotes: tabs and ends of lines are escaped, with a
 * backslash
 * for itself. The number comes first, since the projector strips lines of the blanks that a name may begin or end with.
 */
export function* metadataPieces({ rows, nameOf }: NamedTable): Generator<Uint8Array> {
  yield Buffer.from('row\tname\tmeans\n');
  yield* linePieces(rows, (row) => {
    const { name, means } = nameOf(row);
    return `${row}\t${escaped(name)}\t${means}`;
  });
}

/** The file that tells the projector which files belong together: a message of protobuf as text. */
export function projectorConfig(
  tables: readonly { readonly name: string; readonly vectors: string; readonly metadata: string }[],
): string {
  return tables
    .map(
      ({ name, vectors, metadata }) =>
        `embeddings {\n  tensor_name: ${protobufText(name)}\n  tensor_path: ${protobufText(vectors)}\n  metadata_path: ${protobufText(metadata)}\n}\n`,
    )
    .join('');
}

function* linePieces(rows: number, lineOf: (row: number) => string): Generator<Uint8Array> {
  for (let begin = 0; begin < rows; begin += PIECE_ROWS) {
    let text = '';
    for (let row = begin; row < Math.min(rows, begin + PIECE_ROWS); row++) text += `${lineOf(row)}\n`;
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

/** All that some reader may take for the end of a cell or a line is escaped. */
function escaped(name: string): string {
  return name.replace(/[\\\t\n\r\u2028\u2029]/g, (character) => ESCAPES[character]!);
}

function protobufText(text: string): string {
  // Control characters by their number in octal.
  const safe = text
    .replace(/["\\]/g, '\\$&')
    .replace(/[\u0000-\u001f]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return `"${safe}"`;
}
