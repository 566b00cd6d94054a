import { countElements } from '../core/tensor.js';
import type { ProgramState } from '../engines/engine.js';
import type { Fitted } from '../features/feature-types.js';
import { storedFitted } from '../features/fitted.js';
import { lookupTensors, type LookupTables } from '../features/lookups.js';
import type { HistoryTensors } from '../features/stored-histories.js';
import type { StoredTensor } from '../io/safetensors.js';
import type { Delta } from './delta.js';

/** Content of a checkpoint that takes most of its space. */
interface Content {
  readonly program: ProgramState;
  readonly fitted: Fitted;
  readonly counters: ReadonlyMap<string, StoredTensor>;
  readonly lookups: LookupTables;
  readonly window?: ReadonlyMap<string, StoredTensor>;
  readonly histories?: HistoryTensors | undefined;
}

/** Estimated size of the config, the loop state and the file headers. */
const OTHER_BYTES = 1 << 20;

/** Returns the size of weights and optimizer state, in bytes. */
export function tensorBytes({ weights, optimizer }: ProgramState): number {
  const tensors = [...weights.values(), ...optimizer.values()];
  return tensors.reduce((bytes, { shape }) => bytes + countElements(shape) * Float32Array.BYTES_PER_ELEMENT, 0);
}

/** Estimates the size of a delta on disk, in bytes. */
export function deltaBytes({ program, growth, counters, window, histories }: Delta): number {
  return OTHER_BYTES + tensorBytes(program) + storedBytes(growth, counters, window, histories);
}

/** Estimates the size of a full checkpoint on disk, in bytes. */
export function checkpointBytes({ program, fitted, counters, lookups, window, histories }: Content): number {
  const others = [storedFitted(fitted).tensors, counters, lookupTensors(lookups), window, histories];
  return OTHER_BYTES + tensorBytes(program) + storedBytes(...others.filter((each) => each !== undefined));
}

function storedBytes(...all: readonly ReadonlyMap<string, StoredTensor>[]): number {
  const tensors = all.flatMap((each) => [...each.values()]);
  return tensors.reduce((bytes, { data }) => bytes + data.byteLength, 0);
}
