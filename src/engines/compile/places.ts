import type { Graph } from '../../graph/graph.js';
import type { Parameter, Value, ValueOf } from '../../graph/operations.js';
import { countElements } from '../../core/tensor.js';
import { WORD, type Arena } from './arena.js';

/**
 * Where a value lies: `width` columns, `ld` floats from row to row. Kernels take them in fours (`columns` of them),
 * products in
 * eights, so every value has room up to a multiple of 8 at least; what fills it up is zero.
 */
export interface Place {
  readonly at: number;
  /** The same for its gradient. */
  readonly gradient: number;
  readonly ld: number;
  readonly width: number;
  readonly columns: number;
}

/** A matrix in panels of 8 columns, as gemm.ts has it, or some columns of one. */
export interface Matrix {
  readonly at: number;
  /** Where its transpose is put. */
  readonly transposed: number;
  readonly inputs: number;
  readonly panels: number;
}

/** Linear layers that read one value: their matrices side by side make one product. */
export interface LinearGroup {
  readonly x: Value;
  readonly members: readonly ValueOf<'linear'>[];
  readonly matrix: Matrix;
  readonly bias: number;
  /** All outputs. */
  readonly out: Place;
}

/** Where a parameter's numbers are: one after the other, or in some columns of a matrix. */
export type ParameterPlace =
  | { readonly kind: 'vector'; readonly at: number }
  | { readonly kind: 'matrix'; readonly matrix: Matrix; readonly column: number };

export const toFours = (count: number): number => Math.ceil(count / 4) * 4;
export const toEights = (count: number): number => Math.ceil(count / 8) * 8;

/** Floats of a cache line. */
const LINE = 16;
/** Columns from which on rows end with a line: from there it takes little room. */
const WIDE = 64;

/**
 * Floats from row to row of a value. Tables write what they look up in a wide one field by field, and read their
 * gradients so: where
 * every row begins with a line of its own, a field of 16 takes one line a row, and elsewhere often two.
 */
const rowRoom = (width: number): number => (width > WIDE ? Math.ceil(width / LINE) * LINE : toEights(width));

/** Places of all that a graph computes with, laid out once. */
export interface Places {
  readonly groups: readonly LinearGroup[];
  /** Rows of the largest batch. */
  readonly maxRows: number;
  /** Floats from `weightsBegin` on that the dense optimizer trains. */
  readonly weightsBegin: number;
  readonly weightsCount: number;
  of(value: Value): Place;
  groupOf(value: ValueOf<'linear'>): LinearGroup;
  parameter(parameter: Parameter): ParameterPlace;
  /** The floats that a parameter's numbers lie in, filled up with zeros: its own and nobody else's. */
  range(parameter: Parameter): { readonly at: number; readonly count: number };
  /** Address of a vector. */
  vector(parameter: Parameter): number;
  /** A matrix of its own (attention). */
  matrix(parameter: Parameter): Matrix;
  /** Room for more columns of the batch. */
  columns(name: string, width: number, room?: number): Place;
}

/** Lays out parameters and values; `maxRows` is the largest batch. */
export function createPlaces(arena: Arena, graph: Graph, maxRows: number): Places {
  const parameters = new Map<string, ParameterPlace>();
  const places = new Map<number, Place>();
  const groupByLinear = new Map<number, LinearGroup>();

  const columns = (name: string, width: number, room = rowRoom(width)): Place => ({
    at: arena.take(`value ${name}`, maxRows * room),
    gradient: arena.take(`gradient ${name}`, maxRows * room),
    ld: room,
    width,
    columns: toFours(width),
  });

  // Trained parameters first and together, so that the optimizer takes them in one go.
  const weightsBegin = arena.take('weights', 0);
  const matrixAt = (name: string, inputs: number, room: number): number => arena.take(`matrix ${name}`, inputs * room);
  const biasAt = (name: string, room: number): number => arena.take(`bias ${name}`, room);
  const roomOf = (members: readonly ValueOf<'linear'>[]): number =>
    members.reduce((sum, { width }) => sum + toEights(width), 0);
  const linears = graph.values.filter((value) => value.op === 'linear');
  const byInput = new Map<Value, ValueOf<'linear'>[]>();
  for (const linear of linears) byInput.set(linear.x, [...(byInput.get(linear.x) ?? []), linear]);
  for (const members of byInput.values()) {
    const { weight, x } = members[0]!;
    matrixAt(weight.name, x.width, roomOf(members));
    biasAt(weight.name, roomOf(members));
  }
  const ownMatrices = graph.values.flatMap((value) =>
    value.op === 'attend' ? [value.query, value.key, value.value] : [],
  );
  for (const { name, shape } of ownMatrices) matrixAt(name, shape[0]!, toEights(shape[1]!));
  const inLinears = new Set(linears.flatMap(({ weight, bias }) => [weight, ...(bias === undefined ? [] : [bias])]));
  const vectors = graph.parameters.filter(
    (parameter) => parameter.isTrainable && !inLinears.has(parameter) && !ownMatrices.includes(parameter),
  );
  for (const { name, shape } of vectors)
    parameters.set(name, { kind: 'vector', at: arena.take(`vector ${name}`, toFours(countElements(shape))) });
  const weightsCount = (arena.take('weights end', 0) - weightsBegin) / WORD;

  const matrixOf = (name: string, inputs: number, room: number): Matrix => ({
    at: matrixAt(name, inputs, room),
    transposed: arena.take(`transposed ${name}`, toEights(inputs) * room),
    inputs,
    panels: room / 8,
  });
  for (const parameter of ownMatrices) {
    parameters.set(parameter.name, {
      kind: 'matrix',
      matrix: matrixOf(parameter.name, parameter.shape[0]!, toEights(parameter.shape[1]!)),
      column: 0,
    });
  }

  const groups: LinearGroup[] = [];
  for (const [x, members] of byInput) {
    const first = members[0]!;
    const room = roomOf(members);
    const bias = biasAt(first.weight.name, room);
    const group: LinearGroup = {
      x,
      members,
      matrix: matrixOf(first.weight.name, x.width, room),
      bias,
      out: columns(`linear ${first.id}`, room),
    };
    let column = 0;
    for (const member of members) {
      parameters.set(member.weight.name, { kind: 'matrix', matrix: group.matrix, column });
      if (member.bias !== undefined) parameters.set(member.bias.name, { kind: 'vector', at: bias + column * WORD });
      const { out } = group;
      places.set(member.id, {
        at: out.at + column * WORD,
        gradient: out.gradient + column * WORD,
        ld: out.ld,
        width: member.width,
        columns: toFours(member.width),
      });
      groupByLinear.set(member.id, group);
      column += toEights(member.width);
    }
    groups.push(group);
  }

  // Running statistics: the mean, then the variance, each filled up to fours.
  for (const value of graph.values) {
    if ((value.op !== 'batchNorm' && value.op !== 'activation') || value.running === undefined) continue;
    const { mean, variance } = value.running;
    const at = arena.take(`running ${mean.name}`, 2 * toFours(value.width));
    parameters.set(mean.name, { kind: 'vector', at });
    parameters.set(variance.name, { kind: 'vector', at: at + toFours(value.width) * WORD });
  }

  // What no value of this graph computes with lies apart.
  for (const { name, shape } of graph.parameters)
    if (!parameters.has(name))
      parameters.set(name, { kind: 'vector', at: arena.take(`vector ${name}`, toFours(countElements(shape))) });

  const parameter = ({ name }: Parameter): ParameterPlace => parameters.get(name)!;
  return {
    groups,
    maxRows,
    weightsBegin,
    weightsCount,
    parameter,
    columns,
    of(value) {
      const known = places.get(value.id);
      if (known !== undefined) return known;
      const isLabel = value.op === 'input' && value.source.kind === 'label';
      const place = columns(String(value.id), value.width, isLabel ? 1 : undefined);
      places.set(value.id, place);
      return place;
    },
    range(of) {
      const place = parameter(of);
      if (place.kind === 'vector') return { at: place.at, count: toFours(countElements(of.shape)) };
      const { at, inputs } = place.matrix;
      return { at: at + place.column * inputs * WORD, count: toEights(of.shape[1]!) * inputs };
    },
    groupOf: (value) => groupByLinear.get(value.id)!,
    vector(of) {
      const place = parameter(of);
      if (place.kind !== 'vector') throw new Error(`'${of.name}' is a matrix`);
      return place.at;
    },
    matrix(of) {
      const place = parameter(of);
      if (place.kind !== 'matrix') throw new Error(`'${of.name}' is a vector`);
      return place.matrix;
    },
  };
}
