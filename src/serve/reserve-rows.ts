import { allocateShared } from '../core/shared-memory.js';
import type { HostTensor } from '../core/tensor.js';
import { hasGrowth, serveTokens, withoutGrowth } from '../features/served-tokens.js';
import { tokenCapacity, type TokenTable } from '../features/vocabulary/token-table.js';
import type { Checkpoint } from '../runs/checkpoint.js';
import { countRowWords, type TableFormat } from '../tables/row-formats.js';
import { idsOfTable } from '../tables/table-fields.js';

/** A checkpoint to predict with, and the tokens that deltas change, by the field that has the vocabulary. */
export interface ServedCheckpoint {
  readonly stored: Checkpoint;
  readonly tokens: ReadonlyMap<string, TokenTable>;
}

/**
 * Reserves rows for all tokens that growing vocabularies may get, and as many spare rows, which take no physical memory
 * until they are written. Threads share all tokens.
 * @param stored in shared memory
 * @param isReloaded whether deltas follow; otherwise, or if this memory cannot be reserved, no token changes
 */
export async function reserveRows(
  folder: string,
  stored: Checkpoint,
  { isReloaded, raw }: { readonly isReloaded: boolean; readonly raw: boolean | undefined },
): Promise<ServedCheckpoint> {
  const fixed = (): ServedCheckpoint => ({
    stored: { ...stored, fitted: withoutGrowth(stored.fitted) },
    tokens: new Map(),
  });
  if (!isReloaded || !hasGrowth(stored.fitted)) return fixed();
  // The HTTP thread loads no model otherwise.
  const { buildTrainedModel } = await import('../trained-model/trained-model.js');
  const { tableTensor } = await import('../engines/engine.js');
  const { format, layout } = buildTrainedModel(folder, stored, raw);
  try {
    const { fitted, tokens } = serveTokens(format.fields, stored.fitted);
    const weights = new Map(stored.program.weights);
    for (const table of layout.tables) {
      const own = tokens.get(idsOfTable(table));
      if (own === undefined) continue;
      const name = tableTensor(table.name);
      weights.set(name, enlarge(weights.get(name)!, tokenCapacity(own) + 1, stored.tableFormat));
    }
    return { stored: { ...stored, fitted, program: { ...stored.program, weights } }, tokens };
  } catch (error) {
    if (error instanceof RangeError) return fixed();
    throw error;
  }
}

/** Copies a table to shared memory for more rows, with spare rows after them. */
function enlarge({ shape, data }: HostTensor, rows: number, format: TableFormat = 'f32'): HostTensor {
  const count = rows * countRowWords(format, shape[1]!);
  const larger = new Float32Array(allocateShared(count * Float32Array.BYTES_PER_ELEMENT, true), 0, count);
  larger.set(data);
  return { shape: [rows, shape[1]!], data: larger };
}
