import { z } from 'zod';
import { defineCompression } from './compression.js';

/**
 * Mixed-dimension embeddings between fields (Ginart et al., ISIT 2021): a table of `dim` columns, and a learned matrix
 * without bias that projects its rows to the width of the field. Fields with fewer distinct or rarer values need fewer
 * columns.
 */
export const lowRank = defineCompression({
  name: 'low-rank',
  summary: 'narrow table and a learned projection to the width (Ginart et al. 2021)',
  options: () => ({ dim: z.int().min(1).max(4096).describe('Columns of the table') }),
  build: ({ dim }, field) => [{ ...field, width: dim, composition: { kind: 'project', width: field.width } }],
});
