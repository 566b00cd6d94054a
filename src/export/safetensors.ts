import { tableTensor } from '../engines/engine.js';
import { textTensors } from '../features/vocabulary/string-pool.js';
import { replace } from '../io/disk.js';
import { writeSafetensors, type StoredTensor } from '../io/safetensors.js';
import { defineFormat, type Exporter } from './format.js';
import { modelMetadata, getWeights, type ExportedModel } from './model.js';
import { approximateTables, quantizeOption, quantizeRows } from './quantize.js';

/** All tensors of a model by name with field metadata, for programs that implement the layers themselves. */
export const safetensors = defineFormat({
  name: 'safetensors',
  summary: 'single file of all weights, tables and vocabularies by name, with field metadata',
  target: { kind: 'file', ending: '.safetensors' },
  options: () => ({ quantize: quantizeOption }),

  build({ quantize }, model, path): Exporter {
    const tensors = inOrder([
      ...weightTensors(model),
      ...listTables(model, quantize !== undefined),
      ...vocabularies(model),
    ]);
    const bytes = [...tensors.values()].reduce(
      (sum, { shape, dtype }) => sum + shape.reduce((size, extent) => size * extent, BYTES[dtype]),
      0,
    );
    return {
      bytes,
      write: async () => (
        await replace(path, (temporary) => writeSafetensors(temporary, tensors, modelMetadata(model))),
        [path]
      ),
      ...(quantize !== undefined && { weights: () => approximateTables(model) }),
    };
  },
});

const BYTES = { F32: 4, U32: 4, I8: 1, U8: 1 } as const;
type Named = readonly [name: string, tensor: StoredTensor & { readonly dtype: keyof typeof BYTES }];

/** Returns the trained parameters of the graph. */
function weightTensors(model: ExportedModel): readonly Named[] {
  return model.graph.parameters.map(({ name }) => [name, { ...getWeights(model, name), dtype: 'F32' }]);
}

function listTables(model: ExportedModel, isQuantized: boolean): readonly Named[] {
  return model.layout.tables.flatMap(({ name }): readonly Named[] => {
    const tensor = tableTensor(name);
    const table = getWeights(model, tensor);
    if (!isQuantized) return [[tensor, { ...table, dtype: 'F32' }]];
    const { scales, values } = quantizeRows(table);
    const quantized = {
      shape: table.shape,
      dtype: 'I8' as const,
      // Produced on demand.
      get data() {
        return values();
      },
    };
    return [
      [tensor, quantized],
      [`${tensor}.scales`, { shape: [scales.length], dtype: 'F32', data: scales }],
    ];
  });
}

/** Returns the strings of all vocabularies by owning field. */
function vocabularies({ fields }: ExportedModel): readonly Named[] {
  return fields.flatMap(({ name, owner, rule }) => {
    if (name !== owner || rule?.kind !== 'text') return [];
    return [...textTensors(rule.texts, `vocabularies.${name}`)].map(([tensor, stored]): Named => [
      tensor,
      { ...stored, dtype: stored.data instanceof Uint8Array ? 'U8' : 'U32' },
    ]);
  });
}

/** Sorts 4-byte elements before 1-byte ones, so that each tensor is aligned for memory mapping. */
function inOrder(tensors: readonly Named[]): ReadonlyMap<string, Named[1]> {
  return new Map([...tensors].sort(([, a], [, b]) => BYTES[b.dtype] - BYTES[a.dtype]));
}
