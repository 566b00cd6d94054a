import { BATCH, type Domain } from '../../graph/domain.js';
import { listReaders, type Graph } from '../../graph/graph.js';
import { findLookups, type Lookups } from '../../graph/lookups.js';
import { parametersIn } from '../../graph/parameters-in.js';
import type { OperationName, Parameter, Source, Value, ValueOf } from '../../graph/operations.js';
import { countElements } from '../../core/tensor.js';
import { isCombined, placeCombined, type CombinedMatrices, type CombinedMatrix } from './combined.js';
import { fuseActivations, fusedCode, type Fusions } from './fusion.js';
import type { Matrix } from './matrix.js';
import { cutColumns, createView, shift, roundUpTo8, roundUpTo4, type Buffers, type Ref, type View } from './buffers.js';

/** A value and its gradient. */
export interface Place {
  readonly value: View;
  readonly gradient: View;
}

/** The activation of the first panels of a product; code 0 for none. */
export interface PanelActivation {
  readonly activation: number;
  readonly activatedPanels: number;
}

/** Linear layers that read one value: their matrices, side by side, make one product. */
export interface LinearGroup {
  readonly x: Value;
  readonly members: readonly ValueOf<'linear'>[];
  readonly matrix: Matrix;
  readonly bias: Ref;
  readonly out: Place;
  /** The activation that its first members have in common. */
  readonly activated: PanelActivation;
}

/** The elements of a parameter: consecutive, or some columns of a matrix. */
export type ParameterPlace =
  | { readonly kind: 'vector'; readonly at: Ref }
  | { readonly kind: 'matrix'; readonly matrix: Matrix; readonly column: number };

/** Floats of a cache line. */
const LINE = 16;
/** Width from which each row starts a cache line: the padding is small from there on. */
const WIDE = 64;

/**
 * Returns the floats from row to row of a value. Tables write a wide input field by field and read its gradient so: if
 * every row starts a cache line, a field of 16 takes one line per row, otherwise often two.
 */
const rowStride = (width: number): number => (width > WIDE ? Math.ceil(width / LINE) * LINE : roundUpTo8(width));

/** Offsets in a buffer that is assembled piece by piece, each on a cache line. */
class Offsets {
  #end = 0;
  take(words: number): number {
    const begin = this.end;
    this.#end = begin + words;
    return begin;
  }
  get end(): number {
    return Math.ceil(this.#end / LINE) * LINE;
  }
}

/** Where each parameter begins among all weights, or among all running statistics. */
interface ParameterOffsets {
  /** Groups of linear layers by the value that they read. */
  readonly byInput: ReadonlyMap<Value, readonly ValueOf<'linear'>[]>;
  readonly ownMatrices: readonly Parameter[];
  /** First element of a matrix, a group's bias or a vector. */
  readonly matrices: ReadonlyMap<Parameter, number>;
  readonly biases: ReadonlyMap<Parameter, number>;
  readonly vectors: ReadonlyMap<Parameter, number>;
  readonly running: ReadonlyMap<Parameter, number>;
  readonly weightsCount: number;
  readonly runningCount: number;
}

const paddedWidth = (members: readonly ValueOf<'linear'>[]): number =>
  members.reduce((sum, { width }) => sum + roundUpTo8(width), 0);

/** Assigns offsets to parameters: matrices and biases of linear layers, other matrices, then vectors. */
function assignOffsets(graph: Graph): ParameterOffsets {
  const weights = new Offsets();
  const [matrices, biases, vectors] = [1, 2, 3].map(() => new Map<Parameter, number>()) as [
    Map<Parameter, number>,
    Map<Parameter, number>,
    Map<Parameter, number>,
  ];
  const linears = graph.values.filter((value) => value.op === 'linear');
  const byInput = new Map<Value, ValueOf<'linear'>[]>();
  for (const linear of linears) byInput.set(linear.x, [...(byInput.get(linear.x) ?? []), linear]);
  for (const members of byInput.values()) {
    const { weight, x } = members[0]!;
    matrices.set(weight, weights.take(x.width * paddedWidth(members)));
    biases.set(weight, weights.take(paddedWidth(members)));
  }
  const ownMatrices = [
    ...new Set(
      graph.values
        .filter(({ op }) => op !== 'linear')
        .flatMap((value) => parametersIn(value).filter(({ shape, isTrainable }) => isTrainable && shape.length === 2)),
    ),
  ];
  for (const matrix of ownMatrices) matrices.set(matrix, weights.take(matrix.shape[0]! * roundUpTo8(matrix.shape[1]!)));
  const placed = new Set([...linears.flatMap(({ weight, bias }) => [weight, bias]), ...ownMatrices]);
  for (const parameter of graph.parameters)
    if (parameter.isTrainable && !placed.has(parameter))
      vectors.set(parameter, weights.take(roundUpTo4(countElements(parameter.shape))));

  const running = new Map<Parameter, number>();
  const statistics = new Offsets();
  for (const value of graph.values) {
    if ((value.op !== 'batchNorm' && value.op !== 'activation') || value.running === undefined) continue;
    const begin = statistics.take(2 * roundUpTo4(value.width));
    running.set(value.running.mean, begin).set(value.running.variance, begin + roundUpTo4(value.width));
  }
  for (const parameter of graph.parameters)
    if (!parameter.isTrainable && !running.has(parameter))
      running.set(parameter, statistics.take(roundUpTo4(countElements(parameter.shape))));
  return {
    byInput,
    ownMatrices,
    matrices,
    biases,
    vectors,
    running,
    weightsCount: weights.end,
    runningCount: statistics.end,
  };
}

/** A value that is stored in columns of a concatenation, from `begin` on. */
interface Part {
  readonly whole: Value;
  readonly begin: number;
}

/** Operations whose kernels access only the columns of a value, in fours, at any stride. */
const BY_FOURS: ReadonlySet<OperationName> = new Set<OperationName>([
  'activation',
  'add',
  'affine',
  'dropout',
  'expand',
  'mixture',
  'multiply',
  'segmentPool',
  'slice',
  'stopGradient',
]);

/**
 * Finds operands of concatenations that are written in place, so that nothing is copied. The concatenation is their
 * only reader, so its gradient is theirs. Lookups and concatenations write just their columns; others write fours. An
 * activation that its operand's kernel applies has that operand's place.
 */
function findParts(graph: Graph, lookups: Lookups, fusions: Fusions): ReadonlyMap<Value, Part> {
  const readers = listReaders(graph);
  const inPlace = new Set<Value>(lookups.values.filter((value) => value.op !== 'input' || !isColumn(value)));
  const parts = new Map<Value, Part>();
  for (const whole of graph.values) {
    if (whole.op !== 'concat') continue;
    let begin = 0;
    for (const x of whole.xs) {
      const isFused = x.op === 'activation' && fusions.has(x.x);
      const isByFours = BY_FOURS.has(x.op) && !isFused && begin % 4 === 0 && x.width % 4 === 0;
      if ((inPlace.has(x) || x.op === 'concat' || isByFours) && readers.get(x)!.length === 1)
        parts.set(x, { whole, begin });
      begin += x.width;
    }
  }
  return parts;
}

/** Returns whether an input is a column of the batch, which no call writes. */
const isColumn = (input: ValueOf<'input'>): input is ColumnInput =>
  input.source.kind === 'label' || input.source.kind === 'factors';

/** What operations are lowered with. */
export type OperationPlaces = Pick<
  Places,
  'of' | 'outermostConcat' | 'groupOf' | 'parameter' | 'vector' | 'matrix' | 'columns' | 'combinedOf'
>;

/** Buffers of everything that a graph computes: of its parameters, and of its values as they are asked for. */
export class Places {
  readonly groups: readonly LinearGroup[];
  readonly matrices: readonly Matrix[];
  /** All dense weights, which the optimizer updates in one call. */
  readonly weights: Ref;
  readonly weightsCount: number;
  readonly running: Ref;
  readonly runningCount: number;
  /** Activations that the kernel of their operand applies. Both values have the same place. */
  readonly fusions: Fusions;
  readonly #buffers: Buffers;
  readonly #offsets: ParameterOffsets;
  readonly #parts: ReadonlyMap<Value, Part>;
  readonly #parameters = new Map<string, ParameterPlace>();
  readonly #places = new Map<number, Place>();
  readonly #groupByLinear = new Map<number, LinearGroup>();
  readonly #combined = new Map<number, CombinedMatrices>();

  constructor(buffers: Buffers, graph: Graph, lookups: Lookups = findLookups(graph)) {
    this.fusions = fuseActivations(graph);
    this.#buffers = buffers;
    this.#parts = findParts(graph, lookups, this.fusions);
    this.#offsets = assignOffsets(graph);
    const { weightsCount, runningCount, ownMatrices, byInput, vectors, running } = this.#offsets;
    this.weightsCount = weightsCount;
    this.runningCount = runningCount;
    this.weights = buffers.take('weights', 'weights', 1, weightsCount);
    this.running = buffers.take('running statistics', 'running', 1, runningCount);
    const matrices = ownMatrices.map((parameter) => this.#placeOwnMatrix(parameter));
    this.groups = [...byInput].map(([x, members]) => this.#placeGroup(x, members));
    this.matrices = [...this.groups.map(({ matrix }) => matrix), ...matrices];
    for (const value of graph.values)
      if (isCombined(value)) this.#combined.set(value.id, placeCombined(value, this.matrix(value.weight), buffers));
    this.#placeVectors(this.weights, vectors);
    this.#placeVectors(this.running, running);
  }

  of(value: Value): Place {
    if (value.op === 'activation' && this.fusions.has(value.x)) return this.of(value.x);
    const known = this.#places.get(value.id);
    if (known !== undefined) return known;
    const place = this.#place(value);
    this.#places.set(value.id, place);
    return place;
  }

  /** Returns the outermost concatenation that has a value in its columns; without one, the value itself. */
  outermostConcat(value: Value): Value {
    const part = this.#parts.get(value);
    return part === undefined ? value : this.outermostConcat(part.whole);
  }

  groupOf(value: ValueOf<'linear'>): LinearGroup {
    return this.#groupByLinear.get(value.id)!;
  }

  combinedOf({ id }: Value): CombinedMatrices {
    return this.#combined.get(id)!;
  }

  /** Matrices that are computed from weights. */
  get combined(): readonly CombinedMatrix[] {
    return [...this.#combined.values()].flatMap(({ matrix, scaled }) => [matrix, ...(scaled ? [scaled] : [])]);
  }

  parameter({ name }: Parameter): ParameterPlace {
    return this.#parameters.get(name)!;
  }

  /** The floats of a parameter, padded with zeros. */
  range(parameter: Parameter): { readonly at: Ref; readonly count: number } {
    const { shape } = parameter;
    const place = this.parameter(parameter);
    if (place.kind === 'vector') return { at: place.at, count: roundUpTo4(countElements(shape)) };
    const { at, inputs } = place.matrix;
    return { at: shift(at, place.column * inputs), count: roundUpTo8(shape[1]!) * inputs };
  }

  vector(parameter: Parameter): Ref {
    const place = this.parameter(parameter);
    if (place.kind !== 'vector') throw new Error(`'${parameter.name}' is a matrix`);
    return place.at;
  }

  /** A matrix that no linear layer has, such as attention's. */
  matrix(parameter: Parameter): Matrix {
    const place = this.parameter(parameter);
    if (place.kind !== 'matrix') throw new Error(`'${parameter.name}' is a vector`);
    return place.matrix;
  }

  /** More columns, by default of the batch. */
  columns(name: string, width: number, rows: Domain = BATCH, stride = rowStride(width)): Place {
    const [value, gradient] = [
      this.#buffers.take(name, 'value', rows, stride),
      this.#buffers.take(`d ${name}`, 'gradient', rows, stride),
    ];
    return { value: createView(value, stride, width), gradient: createView(gradient, stride, width) };
  }

  #place(value: Value): Place {
    const part = this.#parts.get(value);
    if (part !== undefined) return columnsOfPlace(this.of(part.whole), part.begin, value.width);
    return value.op === 'input' && isColumn(value)
      ? columnPlace(this.#buffers, value)
      : this.columns(`${value.op} ${value.id}`, value.width, value.rows);
  }

  #placeMatrix(parameter: Parameter, inputs: number, stride: number): Matrix {
    return {
      at: shift(this.weights, this.#offsets.matrices.get(parameter)!),
      transposed: this.#buffers.take(`transposed ${parameter.name}`, 'scratch', roundUpTo8(inputs), stride),
      inputs,
      panels: stride / 8,
    };
  }

  #placeOwnMatrix(parameter: Parameter): Matrix {
    const [inputs, outputs] = parameter.shape as [number, number];
    const matrix = this.#placeMatrix(parameter, inputs, roundUpTo8(outputs));
    this.#parameters.set(parameter.name, { kind: 'matrix', matrix, column: 0 });
    return matrix;
  }

  #placeGroup(x: Value, members: readonly ValueOf<'linear'>[]): LinearGroup {
    const { weight, id } = members[0]!;
    const stride = paddedWidth(members);
    const matrix = this.#placeMatrix(weight, x.width, stride);
    const bias = shift(this.weights, this.#offsets.biases.get(weight)!);
    const fused = members.filter((member) => this.fusions.has(member));
    const activated = { activation: fusedCode(this.fusions, members[0]!), activatedPanels: paddedWidth(fused) / 8 };
    const group = { x, members, matrix, bias, out: this.columns(`linear ${id}`, stride, x.rows), activated };
    for (const [member, column] of memberColumns(group)) {
      this.#parameters.set(member.weight.name, { kind: 'matrix', matrix, column });
      if (member.bias !== undefined)
        this.#parameters.set(member.bias.name, { kind: 'vector', at: shift(bias, column) });
      this.#places.set(member.id, columnsOfPlace(group.out, column, member.width));
      this.#groupByLinear.set(member.id, group);
    }
    return group;
  }

  #placeVectors(buffer: Ref, vectors: ReadonlyMap<Parameter, number>): void {
    for (const [{ name }, offset] of vectors) this.#parameters.set(name, { kind: 'vector', at: shift(buffer, offset) });
  }
}

/** Returns some columns of a place. */
function columnsOfPlace({ value, gradient }: Place, begin: number, width: number): Place {
  return { value: cutColumns(value, begin, width), gradient: cutColumns(gradient, begin, width) };
}

/** Returns the members of a group with the first column of each among all outputs. */
function* memberColumns({ members }: LinearGroup): Generator<readonly [ValueOf<'linear'>, number]> {
  let column = 0;
  for (const member of members) {
    yield [member, column];
    column += roundUpTo8(member.width);
  }
}

type ColumnInput = ValueOf<'input'> & { readonly source: Extract<Source, { readonly kind: 'label' | 'factors' }> };

/** A label or the factors of items: one float per row, which a batch brings. */
function columnPlace(buffers: Buffers, { source, rows }: ColumnInput): Place {
  const name = source.kind === 'label' ? `label ${source.column}` : `factors ${source.field}`;
  return {
    value: createView(buffers.take(name, 'column', rows), 1, 1),
    gradient: createView(buffers.take(`d ${name}`, 'gradient', rows), 1, 1),
  };
}
