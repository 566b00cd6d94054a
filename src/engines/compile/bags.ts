import type { InputLayout, Pooling } from '../../tables/layout.js';
import type { Buffers, Ref } from './buffers.js';

/** The buffers of a bag whose sizes are known before there is a batch. */
export interface BagPlace {
  readonly field: string;
  /** `maxRows` + 1 words: where the items of each row begin, and where those of the last row end. */
  readonly offsets: Ref;
  /** Two addresses, of the items' ids and of their factors, which depend on the batch. */
  readonly addresses: Ref;
}

/** Creates the buffers of a layout's bags. */
export function placeBags({ columns }: InputLayout, buffers: Buffers, maxRows: number): ReadonlyMap<string, BagPlace> {
  const fields = columns.flatMap(({ kind, field }) => (kind === 'bag' ? [field] : []));
  return new Map(
    fields.map((field) => [
      field,
      {
        field,
        offsets: buffers.take(`offsets ${field}`, 'column', 1, maxRows + 1),
        addresses: buffers.take(`bag ${field}`, 'column', 1, 2),
      },
    ]),
  );
}

/** Codes of poolings in the kernel. The factors of a sum are its weights, so it has no kernel. */
export const POOLING_NUMBERS: Readonly<Record<Exclude<Pooling, 'sum'>, number>> = { mean: 1, sqrtn: 2 };
