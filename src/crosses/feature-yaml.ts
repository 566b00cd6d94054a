import { Document, isMap, isSeq, visit } from 'yaml';
import { cross } from '../features/cross.js';
import { tokens } from '../features/encodings/tokens.js';

/** Rows of train from which on a combination is told from others. */
const MIN_COUNT = 5;

/**
 * Crosses as a group of features of a config, ready to be put into its section `features`.
 * @param taken names of the groups that it has
 */
export function crossYaml(crosses: readonly (readonly [string, string])[], taken: readonly string[]): string {
  let name = 'crosses';
  for (let i = 2; taken.includes(name); i++) name = `crosses${i}`;
  const isId = (column: string): boolean => /^(0|[1-9]\d{0,14})$/.test(column);
  const fields = crosses.map((columns) => columns.map((column) => (isId(column) ? Number(column) : column)));
  const document = new Document({
    features: { [name]: { type: cross.name, fields, encoding: { name: tokens.name, minCount: MIN_COUNT }, width: 8 } },
  });
  // Lists and small maps stand on a line, as people write them.
  visit(document, {
    Seq: (_, node) => void (node.flow = true),
    Map: (_, node, path) => void (node.flow = path.length > 6),
  });
  if (!isMap(document.contents) || isSeq(document.contents)) throw new Error('a config is a map');
  return document.toString({ lineWidth: 0, flowCollectionPadding: true }).replaceAll('[ ', '[').replaceAll(' ]', ']');
}
