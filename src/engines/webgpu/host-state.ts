import type { Batch } from '../../core/batch.js';
import { findChanges, type TableChanges } from '../../tables/row-changes.js';
import { countWords, type Role } from '../compile/buffers.js';
import type { Compiled } from '../compile/compile.js';
import type { ProgramState } from '../engine.js';
import { refuseOtherTensors } from '../restore.js';
import { fillBuffers } from '../state/results.js';
import type { Store } from '../state/store.js';
import type { StepPipeline } from './ahead.js';
import type { Executor } from './executor.js';
import { createStaleRows, type StaleRows } from './stale-rows.js';
import type { Range } from './transfers.js';

/** What training changes, besides tables. */
const TRAINED: readonly Role[] = ['weights', 'optimizer', 'average', 'running'];

const trainedRanges = ({ buffers, maxRowsOf }: Compiled): readonly Range[] =>
  buffers.all
    .filter(({ role }) => TRAINED.includes(role))
    .map((buffer) => ({ at: { buffer, offset: 0 }, words: countWords(buffer, maxRowsOf) }))
    .filter(({ words }) => words > 0);

/** Changes of rows, and the number of steps that were taken before. */
interface StepChanges {
  readonly changes: TableChanges;
  readonly step: number;
}

/** The state of a program on the host, which may be older than that on the device. */
export class HostState {
  readonly #compiled: Compiled;
  readonly #executor: Executor;
  readonly #store: Store;
  readonly #ahead: Pick<StepPipeline, 'catchUp' | 'isIdle'>;
  readonly #trained: readonly Range[];
  readonly #staleRows: StaleRows;
  #isStale = false;
  /** Restored weights; optimizer state, which only the device has, is read before they are written. */
  #pending: ProgramState | undefined;
  /** Changes of rows while weights are pending. */
  #pendingChanges: StepChanges[] = [];
  /** Changes of rows since steps were last waited for. */
  #changesAhead: StepChanges[] = [];

  /** Writes the initial state to the device. */
  constructor(compiled: Compiled, executor: Executor, store: Store, ahead: Pick<StepPipeline, 'catchUp' | 'isIdle'>) {
    this.#compiled = compiled;
    this.#executor = executor;
    this.#store = store;
    this.#ahead = ahead;
    this.#trained = trainedRanges(compiled);
    this.#staleRows = createStaleRows(compiled, (table) => store.countRows(table));
    executor.write(fillBuffers(compiled, executor.image));
    this.#writeAll();
  }

  /** Whether restored weights are not on the device yet. */
  get isPending(): boolean {
    return this.#pending !== undefined;
  }

  /** Notes that a step changes the state on the device; of tables the rows of a batch, by default all. */
  markStale(batch?: Batch): void {
    this.#isStale = true;
    if (batch === undefined) this.#staleRows.addAll();
    else this.#staleRows.add(batch);
  }

  /** Waits for steps in flight, and writes weights that were restored without optimizer state. */
  async settle(): Promise<void> {
    await this.#ahead.catchUp();
    this.#changesAhead = [];
    const saved = this.#pending;
    if (saved === undefined) return;
    await this.#read();
    this.#pending = undefined;
    this.#store.restore(saved);
    this.#writeAll();
    for (const { changes, step } of this.#pendingChanges.splice(0)) this.#applyChanges(changes, step);
  }

  /** Waits for steps in flight, and reads what is newer on the device. */
  async readBack(): Promise<void> {
    await this.settle();
    await this.#read();
  }

  /** @throws Error if the state on the device was not read */
  state(step: number): ProgramState {
    if (this.#isStale || this.isPending) throw new Error('the state of a device is read before it is looked at');
    return this.#store.state(step);
  }

  /**
   * Changes rows of growing tables after the steps that were started.
   * @param step number of started steps
   */
  changeRows(changes: TableChanges, step: number): void {
    if (this.isPending) {
      this.#pendingChanges.push({ changes, step });
      return;
    }
    if (!this.#ahead.isIdle) this.#changesAhead.push({ changes, step });
    this.#applyChanges(changes, step);
  }

  /**
   * Corrects changes of rows after steps that were skipped: an EMA counts the steps before them. No step has used these
   * rows since.
   * @param step number of steps taken
   */
  undoSteps(step: number): void {
    for (const each of this.#changesAhead) if (each.step > step) this.#applyChanges(each.changes, step);
  }

  /** @throws UserError (checkpoint) for tensors of another model */
  restore(saved: ProgramState): void {
    if (this.#isStale && saved.optimizer.size === 0) {
      refuseOtherTensors(this.#store.state(0), saved);
      this.#pending = saved;
      return;
    }
    this.#store.restore(saved);
    this.#pending = undefined;
    this.#writeAll();
  }

  async #read(): Promise<void> {
    if (!this.#isStale) return;
    await this.#executor.read(this.#trained);
    for (const [table, rows] of this.#staleRows.list()) await this.#executor.readRows(table, rows);
    this.#isStale = false;
    this.#staleRows.clear();
  }

  #writeAll(): void {
    this.#executor.write(this.#trained);
    for (const table of this.#compiled.tables.all) this.#executor.writeRows(table, this.#store.countRows(table));
    this.#isStale = false;
    this.#staleRows.clear();
  }

  /** Changes rows in the image and on the device. A row is written as a whole. */
  #applyChanges(changes: TableChanges, step: number): void {
    this.#store.changeRows(changes, step);
    for (const table of this.#compiled.tables.all) {
      const own = findChanges(table, changes);
      if (own === undefined || table.initialRows === undefined) continue;
      const rows = new Uint32Array(own.cleared.length + own.admitted.length);
      rows.set(own.cleared);
      rows.set(own.admitted, own.cleared.length);
      this.#executor.writeRows(table, rows.sort());
    }
  }
}
