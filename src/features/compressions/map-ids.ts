import type { Encoder, Field } from '../feature.js';

/** How the ids of a field select rows of a table. */
interface IdMap {
  /** Returns the number of rows for a number of ids. */
  countRows(ids: number): number;
  map(id: number): number;
  /** Returns whether a released id releases its row, which no other id selects. */
  ownsRow(id: number): boolean;
}

/**
 * Returns a field whose table has the rows that a map selects.
 * @param label of the map, for the meaning of the field
 */
export function mapIds(field: Field, label: string, { countRows, map, ownsRow }: IdMap): Field {
  const { grow } = field;
  return {
    ...field,
    encodedAs: `${field.encodedAs}, ${label}`,
    meaning: `${field.meaning}, ${label}`,
    encoder(fitted): Encoder {
      const { encode, rows, ...inner } = field.encoder(fitted);
      return {
        ...inner,
        rows: countRows(rows),
        encode: (text) => map(encode(text)),
        rule: undefined,
        direct: undefined,
      };
    },
    grow:
      grow &&
      ((before, now, drops) => {
        const grown = grow(before, now, drops);
        return { ...grown, cleared: grown.cleared.filter(ownsRow).map(map) };
      }),
  };
}
