import { randomStream } from '../../src/core/random.js';
import type { HostTensor } from '../../src/core/tensor.js';
import { tableTensor, type Program } from '../../src/engines/engine.js';
import type { TableSpec } from '../../src/tables/layout.js';

/** Replaces all embeddings of tables by large ones: initial ones are so small that they hide mistakes. */
export function restoreLargeTables(program: Program, tables: readonly TableSpec[]): void {
  const large = tables.map(({ name, rows, width }): [string, HostTensor] => {
    const random = randomStream(3, 'embeddings', name);
    return [
      tableTensor(name),
      { shape: [rows, width], data: Float32Array.from({ length: rows * width }, () => random.normal()) },
    ];
  });
  program.restore({ step: 0, weights: new Map([...program.state().weights, ...large]), optimizer: new Map() });
}
