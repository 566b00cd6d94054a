import { countWords, type Role } from '../compile/buffers.js';
import type { Compiled } from '../compile/compile.js';
import type { ProgramState } from '../engine.js';
import { refuseOtherTensors } from '../restore.js';
import { fillBuffers } from '../state/results.js';
import type { Store } from '../state/store.js';
import type { Executor } from './executor.js';
import type { Range } from './transfers.js';

/** The state of a program on the host, which may be older than that on the device. */
export interface HostState {
  /** Notes that a step changes the state on the device. */
  markStale(): void;
  /** Waits for steps in flight, and writes weights that were restored without optimizer state. */
  settle(): Promise<void>;
  /** Waits for steps in flight, and reads the state from the device if that on the host is older. */
  readBack(): Promise<void>;
  /** Whether restored weights are not on the device yet. */
  readonly isPending: boolean;
  /** @throws Error if the state on the device was not read */
  state(step: number): ProgramState;
  /** @throws UserError (checkpoint) for tensors of another model */
  restore(saved: ProgramState): void;
}

/** What training changes, besides tables. */
const TRAINED: readonly Role[] = ['weights', 'optimizer', 'average', 'running'];

const trainedRanges = ({ buffers, maxRowsOf }: Compiled): readonly Range[] =>
  buffers.all
    .filter(({ role }) => TRAINED.includes(role))
    .map((buffer) => ({ at: { buffer, offset: 0 }, words: countWords(buffer, maxRowsOf) }))
    .filter(({ words }) => words > 0);

/**
 * Writes the initial state to the device.
 * @param catchUp waits for steps in flight
 */
export function createHostState(
  compiled: Compiled,
  executor: Executor,
  store: Store,
  catchUp: () => Promise<void>,
): HostState {
  const trained = trainedRanges(compiled);
  let isStale = false;
  /** Restored weights; optimizer state, which only the device has, is read before they are written. */
  let pending: ProgramState | undefined;
  const writeAll = (): void => {
    executor.write(trained);
    executor.writeTables();
    isStale = false;
  };
  const read = async (): Promise<void> => {
    if (!isStale) return;
    await executor.read(trained);
    await executor.readTables();
    isStale = false;
  };
  const settle = async (): Promise<void> => {
    await catchUp();
    const saved = pending;
    if (saved === undefined) return;
    pending = undefined;
    await read();
    store.restore(saved);
    writeAll();
  };

  executor.write(fillBuffers(compiled, executor.image));
  writeAll();
  return {
    markStale: () => void (isStale = true),
    settle,
    async readBack() {
      await settle();
      await read();
    },
    get isPending() {
      return pending !== undefined;
    },
    state(step) {
      if (isStale || pending !== undefined) throw new Error('the state of a device is read before it is looked at');
      return store.state(step);
    },
    restore(saved) {
      if (isStale && saved.optimizer.size === 0) {
        refuseOtherTensors(store.state(0), saved);
        pending = saved;
        return;
      }
      store.restore(saved);
      pending = undefined;
      writeAll();
    },
  };
}
