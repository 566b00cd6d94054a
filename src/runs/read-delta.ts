import { join } from 'node:path';
import type { ProgramState } from '../engines/engine.js';
import { parseState } from './checkpoint-state.js';
import { listTokenChanges } from '../features/growing-vocabularies.js';
import type { TokenChanges } from '../features/vocabulary/token-table.js';
import { readChanges, readDeltaTensors } from './checkpoint-tensors.js';
import { listChanges, type Change } from './delta.js';
import { FILES, readText, type CheckpointFolder } from './manifest.js';
import type { Sections } from './run-state.js';
import type { TensorMemory } from './sharded-tensors.js';

/** Content of a delta, without the optimizer state. */
export interface DeltaContent {
  /** Number of optimizer steps. */
  readonly step: number;
  readonly sections: Sections;
  /** What changes of each tensor, in shared memory unless `allocate` returned other memory. */
  readonly changes: ReadonlyMap<string, Change>;
  /** What changes of the tokens of growing vocabularies, by field; empty without any. */
  readonly tokens: ReadonlyMap<string, TokenChanges>;
}

/**
 * Reads a delta without its config, and verifies each file against its manifest.
 * @param weights of the checkpoint before it; only their shapes are read
 * @param allocate returns memory for the tensors (`TensorReading`)
 * @throws UserError (checkpoint) for a missing or invalid file, or tensors or rows that `weights` does not have
 */
export async function readDelta(
  delta: CheckpointFolder,
  weights: ProgramState['weights'],
  allocate?: TensorMemory['allocate'],
): Promise<DeltaContent> {
  const {
    folder,
    manifest: { files },
  } = delta;
  const { own, sections } = parseState(await readText(folder, FILES.state, files), join(folder, FILES.state));
  return {
    step: own.step,
    sections,
    changes: listChanges(weights, 'weights', await readDeltaTensors(delta, 'weights', { isShared: true, allocate })),
    tokens: (await readChanges(delta, 'growth', listTokenChanges)) ?? new Map<string, TokenChanges>(),
  };
}
