import { Document, isMap, isSeq, visit } from 'yaml';
import { cross } from '../features/cross.js';
import { tokens } from '../features/encodings/tokens.js';

/** Minimum number of training rows of a combination. */
const MIN_COUNT = 5;

/**
 * Formats crosses as a feature group for the section `features` of a config.
 * @param existingNames names of the existing groups
 */
export function formatCrosses(
  crosses: readonly (readonly [string, string])[],
  existingNames: readonly string[],
): string {
  let name = 'crosses';
  for (let i = 2; existingNames.includes(name); i++) name = `crosses${i}`;
  const isId = (column: string): boolean => /^(0|[1-9]\d{0,14})$/.test(column);
  const fields = crosses.map((columns) => columns.map((column) => (isId(column) ? Number(column) : column)));
  const document = new Document({
    features: { [name]: { type: cross.name, fields, encoding: { name: tokens.name, minCount: MIN_COUNT }, width: 8 } },
  });
  // Lists and small maps use flow style, as in handwritten configs.
  visit(document, {
    Seq: (_, node) => void (node.flow = true),
    Map: (_, node, path) => void (node.flow = path.length > 6),
  });
  if (!isMap(document.contents) || isSeq(document.contents)) throw new Error('a config is a map');
  return document.toString({ lineWidth: 0, flowCollectionPadding: true }).replaceAll('[ ', '[').replaceAll(' ]', ']');
}
