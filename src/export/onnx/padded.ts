import { isOfItems, type Domain } from '../../graph/domain.js';
import type { Value } from '../../graph/operations.js';
import type { Emission } from './emission.js';
import { paddedItems, selectedRows, type ItemRows, type PaddedItems } from './items.js';

/** The rows of a domain, with the items of each row of the batch in a dimension of their own. */
export interface Padded extends Pick<PaddedItems, 'unpad' | 'counts'> {
  /** Undefined if all elements are rows. */
  isItem(): string | undefined;
  pad(x: Value): string;
}

/** Returns the items of a domain. */
export function findRows(domain: Domain, { onnx, itemRows }: Emission): ItemRows {
  if (!isOfItems(domain)) throw new Error(`no items in rows of ${domain.kind}`);
  const rows = itemRows(domain.field);
  return domain.kind === 'items' ? rows : selectedRows(onnx, rows, domain.count);
}

/** Returns the padded form of a domain. */
export function padded(domain: Domain, emission: Emission): Padded {
  const { onnx, of } = emission;
  if (domain.kind !== 'blocks') {
    const items = paddedItems(onnx, findRows(domain, emission));
    return {
      isItem: () => items.isItem(),
      counts: () => items.counts(),
      pad: (x) => items.pad(of(x), x.width),
      unpad: (x, width) => items.unpad(x, width),
    };
  }
  return {
    isItem: () => undefined,
    counts: () => onnx.number(domain.count, 'float'),
    pad: (x) => onnx.node('Reshape', [of(x), onnx.ints(-1, domain.count, x.width)]),
    unpad: (x, width) => onnx.node('Reshape', [x, onnx.ints(-1, width)]),
  };
}
