import type { HostTensor } from '../../core/tensor.js';
import type { Attribute, ElementType, Initializer, Node, ValueInfo } from './messages.js';

/** Stands before the names of what is within the graph, so that people tell it from an input. */
const OWN = '/';

/**
 * Writes a graph of ONNX down, node by node; values are told by their names. What is said twice in the same words is
 * one node.
 */
export class OnnxGraph {
  readonly nodes: Node[] = [];
  readonly inputs: ValueInfo[] = [];
  readonly outputs: ValueInfo[] = [];
  readonly initializers: Initializer[] = [];
  readonly #taken = new Set<string>();
  readonly #made = new Map<string, readonly string[]>();

  /** @param names that inputs and outputs will have: nothing else gets one of them */
  constructor(names: readonly string[]) {
    for (const name of names) this.#taken.add(name);
  }

  /** A value from outside; its own name again. */
  input(info: ValueInfo): string {
    if (!this.inputs.some(({ name }) => name === info.name)) this.inputs.push(info);
    return info.name;
  }

  /** Gives a value to the outside, under another name. */
  output(value: string, info: ValueInfo): void {
    this.outputs.push(info);
    this.nodes.push({
      name: this.#fresh(`Identity_${info.name}`),
      operator: 'Identity',
      inputs: [value],
      outputs: [info.name],
      attributes: {},
    });
  }

  /** The value that one of ONNX's operators gives. */
  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.nodeOf(undefined, operator, inputs, attributes)[0]!;
  }

  /**
   * The values that an operator gives.
   * @param domain undefined for ONNX's own
   */
  nodeOf(
    domain: string | undefined,
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    numOutputs = 1,
  ): readonly string[] {
    // What takes a long list is not looked for.
    const isLong = Object.values(attributes).some(
      (value) => typeof value === 'object' && 'texts' in value && value.texts.length > 1,
    );
    const make = (): readonly string[] => this.#push(operator, domain, operator, inputs, attributes, numOutputs);
    return isLong ? make() : this.#once(JSON.stringify([operator, inputs, attributes]), make);
  }

  /** The value that an operator gives, whose name errors of a runtime tell. */
  named(name: string, operator: string, inputs: readonly string[]): string {
    return this.#once(JSON.stringify([name, operator, inputs]), () => [
      this.#push(name, undefined, operator, inputs, {}, 1)[0]!,
    ])[0]!;
  }

  /** One text, as a value of one dimension. */
  text(value: string): string {
    return this.node('Constant', [], { value_strings: { texts: [Buffer.from(value)] } });
  }

  /** Whole numbers as a value of one dimension. */
  ints(...values: readonly number[]): string {
    return this.#constant('int64', [values.length], BigInt64Array.from(values, BigInt), String(values));
  }

  /** One number, as a value without dimensions. */
  number(value: number, type: 'float' | 'double' | 'int64'): string {
    const data =
      type === 'int64'
        ? BigInt64Array.of(BigInt(value))
        : type === 'double'
          ? Float64Array.of(value)
          : Float32Array.of(value);
    return this.#constant(type, [], data, `${type} ${value}`);
  }

  /** Numbers of 64 bits as a value of one dimension. */
  doubles(values: readonly number[]): string {
    return this.#constant('double', [values.length], Float64Array.from(values), `doubles ${String(values)}`);
  }

  /** A tensor that comes with the model. */
  tensor(name: string, { shape, data }: HostTensor): string {
    return this.initializer(name, 'float', shape, data.byteLength, () => bytesOf(data));
  }

  /** A tensor of any type, whose bytes are asked for when they are written; the same for the same name. */
  initializer(
    name: string,
    type: ElementType,
    shape: readonly number[],
    bytes: number,
    data: () => Uint8Array,
  ): string {
    return this.#once(`initializer ${name}`, () => [this.#initialize(name, type, shape, bytes, data)])[0]!;
  }

  #push(
    base: string,
    domain: string | undefined,
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    numOutputs: number,
  ): readonly string[] {
    const name = this.#fresh(base);
    const outputs = Array.from({ length: numOutputs }, (_, i) => `${name}:${i}`);
    this.nodes.push({ name, operator, domain, inputs, outputs, attributes });
    return outputs;
  }

  #constant(
    type: ElementType,
    shape: readonly number[],
    data: BigInt64Array | Float64Array | Float32Array,
    text: string,
  ): string {
    return this.#once(`constant ${text}`, () => [
      this.#initialize('constant', type, shape, data.byteLength, () => bytesOf(data)),
    ])[0]!;
  }

  #initialize(
    base: string,
    type: ElementType,
    shape: readonly number[],
    bytes: number,
    data: () => Uint8Array,
  ): string {
    const name = this.#fresh(base);
    this.initializers.push({ name, type, shape, bytes, data });
    return name;
  }

  #once(key: string, make: () => readonly string[]): readonly string[] {
    const made = this.#made.get(key) ?? make();
    this.#made.set(key, made);
    return made;
  }

  #fresh(base: string): string {
    const name = `${OWN}${base}`;
    let fresh = name;
    for (let i = 2; this.#taken.has(fresh); i++) fresh = `${name}_${i}`;
    this.#taken.add(fresh);
    return fresh;
  }
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
