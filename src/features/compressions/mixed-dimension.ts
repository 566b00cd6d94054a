import { z } from 'zod';
import type { Field } from '../feature.js';
import { defineCompression } from './compression.js';
import { mapIds } from './map-ids.js';

const MAX_BLOCKS = 16;

/**
 * Mixed-dimension embeddings within a field (Ginart et al. 2019, https://arxiv.org/abs/1909.11810): the ids
 * in order of frequency are divided into blocks, each with a narrower table than the one before and a matrix without
 * bias that projects its rows to the width of the field. Tokens are numbered by frequency, and so must be other ids. A
 * vocabulary that grows appends its tokens to the last block.
 *
 * Each block is one lookup per row: in its table, row 0 is the out-of-vocabulary id, and row 1 stands for the ids of
 * all other blocks. An embedding is the sum over blocks. So it contains a trained vector that all ids of a block share,
 * and which is zero in the paper.
 */
export const mixedDimension = defineCompression({
  name: 'mixed-dimension',
  summary: 'tables of decreasing width for blocks of rarer ids, and learned projections (Ginart et al. 2019)',
  options: () => ({
    sizes: z
      .array(z.int().min(1))
      .min(1)
      .max(MAX_BLOCKS - 1)
      .describe('Number of ids of each block except the last, which has the others; most frequent ids first'),
    dims: z
      .array(z.int().min(1).max(4096))
      .min(2)
      .max(MAX_BLOCKS)
      .describe('Columns of the table of each block, decreasing; no projection for a first block of the full width'),
  }),

  *check({ sizes, dims }) {
    if (dims.length !== sizes.length + 1)
      yield {
        path: ['dims'],
        message: `expected ${sizes.length + 1} blocks, one more than sizes, found ${dims.length}`,
      };
    for (const [b, dim] of dims.entries())
      if (b > 0 && dim >= dims[b - 1]!)
        yield { path: ['dims', b], message: `expected less than ${dims[b - 1]}, the columns of the block before` };
  },

  build({ sizes, dims }, field) {
    // Id 0 is out of vocabulary.
    let end = 1;
    return dims.map((dim, b): Field => {
      const begin = end;
      end = b < sizes.length ? begin + sizes[b]! : Infinity;
      const block = { ...blockOf(field, begin, end), width: dim };
      const project = { kind: 'project', width: field.width } as const;
      if (b === 0) return dim === field.width ? block : { ...block, composition: project };
      const name = `${field.name}_block${b + 1}`;
      return { ...block, name, owner: name, composition: { kind: 'add', field: field.name, isProjected: true } };
    });
  },
});

/** Maps the ids from `begin` to `end` to rows from 2, and ids of other blocks to row 1. */
function blockOf(field: Field, begin: number, end: number): Field {
  const isInside = (id: number): boolean => id >= begin && id < end;
  const ids = end === Infinity ? `ids from ${begin}` : `ids from ${begin} to ${end - 1}`;
  return mapIds(field, ids, {
    countRows: (all) => 2 + Math.max(0, Math.min(all, end) - begin),
    map: (id) => (isInside(id) ? id - begin + 2 : Number(id > 0)),
    ownsRow: isInside,
  });
}
