import { countElements } from '../core/tensor.js';
import type { ProgramState } from '../engines/engine.js';
import type { Fitted } from '../features/feature-types.js';
import { storedFitted } from '../features/fitted.js';
import { lookupTensors, type LookupTables } from '../features/lookups.js';
import type { Delta } from './delta.js';
import type { States, StateTensors } from './states.js';

/** Content of a checkpoint that takes most of its space. */
interface Content {
  readonly program: ProgramState;
  readonly fitted: Fitted;
  readonly lookups: LookupTables;
  readonly states: States;
}

/** Estimated size of the config, the loop state and the file headers. */
const OTHER_BYTES = 1 << 20;

/** Returns the size of weights and optimizer state, in bytes. */
export function tensorBytes({ weights, optimizer }: ProgramState): number {
  const tensors = [...weights.values(), ...optimizer.values()];
  return tensors.reduce((bytes, { shape }) => bytes + countElements(shape) * Float32Array.BYTES_PER_ELEMENT, 0);
}

/** Estimates the size of a delta on disk, in bytes. */
export function deltaBytes({ program, states }: Delta): number {
  return OTHER_BYTES + tensorBytes(program) + storedBytes(Object.values(states));
}

/** Estimates the size of a full checkpoint on disk, in bytes. */
export function checkpointBytes({ program, fitted, lookups, states }: Content): number {
  const others = [storedFitted(fitted).tensors, lookupTensors(lookups), ...Object.values(states)];
  return OTHER_BYTES + tensorBytes(program) + storedBytes(others);
}

function storedBytes(all: readonly (StateTensors | undefined)[]): number {
  const tensors = all.flatMap((each) => [...(each?.values() ?? [])]);
  return tensors.reduce((bytes, { data }) => bytes + data.byteLength, 0);
}
