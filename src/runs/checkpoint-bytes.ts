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
export function deltaBytes({ program, growth, counters, histories }: Delta): number {
  const others = [growth, counters, histories];
  return OTHER_BYTES + tensorBytes(program) + others.reduce((bytes, each) => bytes + storedBytes(each), 0);
}

/** Estimates the size of a full checkpoint on disk, in bytes. */
export function checkpointBytes({ program, fitted, counters, lookups, histories = new Map() }: Content): number {
  const others = [storedFitted(fitted).tensors, counters, lookupTensors(lookups), histories];
  return OTHER_BYTES + tensorBytes(program) + others.reduce((bytes, each) => bytes + storedBytes(each), 0);
}

function storedBytes(tensors: ReadonlyMap<string, StoredTensor>): number {
  return [...tensors.values()].reduce((bytes, { data }) => bytes + data.byteLength, 0);
}
