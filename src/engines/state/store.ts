import { countElements, type HostTensor } from '../../core/tensor.js';
import type { Parameter } from '../../graph/operations.js';
import { optimizers } from '../../optimizers/optimizers.js';
import { NO_MOVED_ROWS, type RowMover } from '../../tables/moved-rows.js';
import { shift, type Ref } from '../compile/buffers.js';
import type { Layout } from '../compile/layout.js';
import type { TablePlace } from '../compile/tables.js';
import { findChanges, type TableChanges } from '../../tables/row-changes.js';
import { tableTensor, type ProgramState } from '../engine.js';
import { refuseOtherTensors, type Shapes } from '../restore.js';
import { drawParameter } from '../weights.js';
import type { Image } from './image.js';
import { changeTableRows, initializeTables, listTableTensors, type StoredTensor } from './table-tensors.js';

/** Columns of a panel: a matrix is stored in panels, each row by row, as products read them. */
const PANEL = 8;

/** Elements per trained parameter, such as a slot of the optimizer, in regions that are laid out like the weights. */
interface DenseTensor {
  /** Suffix of the tensors' names; empty for the weights for predictions. */
  readonly suffix: string;
  /** Where it is written; it is read from the first. */
  readonly regions: readonly [Ref, ...Ref[]];
  /** Initial value, if the elements are neither 0 nor random. */
  readonly first: number;
}

/** All tensors that training changes, in memory. */
export class Store {
  readonly #layout: Layout;
  readonly #image: Image;
  readonly #mover: Pick<RowMover, 'set'> | undefined;
  readonly #dense: readonly DenseTensor[];
  /** Rows of growing tables up to the last one that ever represented an id. */
  readonly #usedRows: Map<string, number>;

  /**
   * Initializes the tensors.
   * @param mover of a program whose tables may have spare rows
   */
  constructor(layout: Layout, image: Image, mover?: Pick<RowMover, 'set'>) {
    const { plan, graph, places, denseSlots, average } = layout;
    this.#layout = layout;
    this.#image = image;
    this.#mover = mover;
    const trained = places.weights;
    this.#dense = [
      { suffix: '', regions: average === undefined ? [trained] : [average.weights, trained], first: 0 },
      ...(average === undefined ? [] : [{ suffix: '.trained', regions: [trained], first: 0 } as const]),
      ...optimizers.build(plan.optimizers.dense).slots.map(({ name, first }, s): DenseTensor => {
        return { suffix: `.${name}`, regions: [shift(denseSlots.at, s * places.weightsCount)], first };
      }),
    ];
    for (const parameter of graph.parameters) {
      for (const { suffix, regions, first } of this.#denseOf(parameter)) {
        if (suffix === '') this.#write(parameter, drawParameter(parameter, plan.seed), regions);
        else if (first !== 0)
          this.#write(parameter, new Float32Array(countElements(parameter.shape)).fill(first), regions);
      }
    }
    initializeTables(layout, image);
    this.#usedRows = new Map();
    for (const table of layout.tables.all) if (table.initialRows !== undefined) this.#use(table, table.initialRows);
  }

  /**
   * Returns a parameter's elements in a region that is laid out like the weights, by default the weights: a view of a
   * vector, or a copy of a matrix, made when its data is read.
   */
  tensorOf(parameter: Parameter, region = this.#layout.places.weights): HostTensor {
    const { shape } = parameter;
    const { floats } = this.#image;
    const begin = this.#beginOf(parameter, region);
    const count = countElements(shape);
    if (!this.#isMatrix(parameter)) return { shape, data: floats.subarray(begin, begin + count) };
    return {
      shape,
      // Many callers read only shapes.
      get data() {
        const data = new Float32Array(count);
        forEachElement(shape, begin, (i, at) => (data[i] = floats[at]!));
        return data;
      },
    };
  }

  state(step: number): ProgramState {
    const stored = this.#list(step);
    const dealt = stored.flatMap(({ name, allRows }) => (allRows === undefined ? [] : [[name, allRows] as const]));
    const tensors = (areWeights: boolean): ProgramState['weights'] =>
      new Map(stored.filter((each) => each.isWeights === areWeights).map(({ name, tensor }) => [name, tensor]));
    return {
      step,
      ...(dealt.length > 0 && { dealt: new Map(dealt) }),
      weights: tensors(true),
      optimizer: tensors(false),
    };
  }

  /** Returns the number of rows of a table that represented an id; of all rows if it does not grow. */
  countRows({ name, rows }: Pick<TablePlace, 'name' | 'rows'>): number {
    return this.#usedRows.get(name) ?? rows;
  }

  /**
   * Changes rows of growing tables between two steps.
   * @param step number of steps taken
   */
  changeRows(changes: TableChanges, step: number): void {
    for (const table of this.#layout.tables.all) {
      const own = findChanges(table, changes);
      const used = this.#usedRows.get(table.name);
      if (own === undefined || used === undefined) continue;
      changeTableRows(this.#layout, this.#image, table, own, step);
      this.#use(table, Math.max(used, (own.admitted.at(-1) ?? 0) + 1));
    }
  }

  /**
   * Restores a state. Growing tables may have other rows than before.
   * @param moved rows that are read from spare rows
   * @throws UserError (checkpoint) for tensors of another model
   */
  restore(saved: ProgramState, moved = NO_MOVED_ROWS): void {
    for (const table of this.#layout.tables.all) {
      const savedRows = saved.weights.get(tableTensor(table.name))?.shape[0] ?? Infinity;
      if (this.#usedRows.has(table.name) && savedRows <= table.rows) this.#use(table, savedRows);
    }
    const { weights, optimizer, dealt } = this.state(saved.step);
    const whole = (tensors: Shapes): Shapes =>
      new Map([...tensors].map(([name, { shape }]) => [name, { shape: shape.with(0, dealt?.get(name) ?? shape[0]!) }]));
    refuseOtherTensors({ weights: whole(weights), optimizer: whole(optimizer) }, saved);
    for (const { name, isWeights, write } of this.#list(saved.step)) {
      // A state without optimizer state is accepted.
      const tensor = (isWeights ? saved.weights : saved.optimizer).get(name);
      if (tensor !== undefined) write(tensor);
    }
    this.#mover?.set(moved);
  }

  /** Sets the number of rows of a growing table that represented an id, also for kernels. */
  #use({ name, usedRowsAt }: TablePlace, rows: number): void {
    this.#usedRows.set(name, rows);
    if (usedRowsAt !== undefined) this.#image.words[this.#image.wordAt(usedRowsAt)] = rows;
  }

  #list(step: number): readonly StoredTensor[] {
    const dense = this.#layout.graph.parameters.flatMap((parameter) =>
      this.#denseOf(parameter).map(({ suffix, regions }) => ({
        name: parameter.name + suffix,
        isWeights: suffix === '',
        tensor: this.tensorOf(parameter, regions[0]),
        write: ({ data }: HostTensor) => this.#write(parameter, data, regions),
      })),
    );
    return [...dense, ...listTableTensors(this.#layout, this.#image, step, this.#usedRows)];
  }

  /** Running statistics have no EMA and no optimizer state. */
  #denseOf({ isTrainable }: Parameter): readonly DenseTensor[] {
    return this.#dense.filter(({ suffix }) => isTrainable || suffix === '');
  }

  #write(parameter: Parameter, data: Float32Array, regions: readonly Ref[]): void {
    const { floats } = this.#image;
    for (const region of regions) {
      const begin = this.#beginOf(parameter, region);
      if (this.#isMatrix(parameter)) forEachElement(parameter.shape, begin, (i, at) => (floats[at] = data[i]!));
      else floats.set(data, begin);
    }
  }

  #isMatrix(parameter: Parameter): boolean {
    return this.#layout.places.parameter(parameter).kind === 'matrix';
  }

  /** Returns the index of a parameter's first element in a region. Running statistics have a single one. */
  #beginOf(parameter: Parameter, region: Ref): number {
    const { places } = this.#layout;
    const { at } = places.range(parameter);
    return this.#image.wordAt(at.buffer === places.weights.buffer ? shift(region, at.offset) : at);
  }
}

/** Visits the elements of a matrix by column: the index of each in row-major order, and in memory. */
function forEachElement(shape: readonly number[], begin: number, visit: (index: number, at: number) => void): void {
  const [inputs, width] = shape as [number, number];
  for (let n = 0; n < width; n++) {
    const column = begin + Math.floor(n / PANEL) * PANEL * inputs + (n % PANEL);
    for (let k = 0; k < inputs; k++) visit(k * width + n, column + k * PANEL);
  }
}
