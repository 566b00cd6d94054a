import type { HostTensor } from '../../core/tensor.js';
import type { Attribute, ElementType, Initializer, Node, ValueInfo } from './messages.js';

/** Prefix of internal names, to distinguish them from inputs. */
const OWN = '/';

/** Builds an ONNX graph node by node, with values referred to by name. Identical nodes are merged. */
export class OnnxGraph {
  readonly nodes: Node[] = [];
  readonly inputs: ValueInfo[] = [];
  readonly outputs: ValueInfo[] = [];
  readonly initializers: Initializer[];
  readonly #taken: Set<string>;
  readonly #made = new Map<string, readonly string[]>();

  /**
   * Creates a graph or, with `within`, one that an operator of that graph runs: it may read values of both, and it
   * shares the tensors of that graph.
   * @param names reserved names of inputs and outputs
   */
  constructor(names: readonly string[], within?: OnnxGraph) {
    this.initializers = within?.initializers ?? [];
    this.#taken = within === undefined ? new Set<string>() : within.#taken;
    for (const name of names) this.#taken.add(name);
  }

  /** Adds an input. @returns its name */
  input(info: ValueInfo): string {
    if (!this.inputs.some(({ name }) => name === info.name)) this.inputs.push(info);
    return info.name;
  }

  /** Adds an output with its own name for a value. */
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

  /** Adds a node of the ONNX domain. @returns its output */
  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.nodeOf(undefined, operator, inputs, attributes)[0]!;
  }

  /**
   * Adds a node.
   * @param domain undefined for the ONNX domain
   * @returns its outputs
   */
  nodeOf(
    domain: string | undefined,
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    numOutputs = 1,
  ): readonly string[] {
    // Nodes with a long list are not merged.
    const isLong = Object.values(attributes).some(
      (value) => typeof value === 'object' && 'texts' in value && value.texts.length > 1,
    );
    const make = (): readonly string[] => this.#push(operator, domain, operator, inputs, attributes, numOutputs);
    return isLong ? make() : this.#once(JSON.stringify([operator, inputs, attributes]), make);
  }

  /** Adds a node whose name appears in runtime errors. @returns its output */
  named(name: string, operator: string, inputs: readonly string[]): string {
    return this.#once(JSON.stringify([name, operator, inputs]), () => [
      this.#push(name, undefined, operator, inputs, {}, 1)[0]!,
    ])[0]!;
  }

  /** Adds a string constant of shape [1]. */
  text(value: string): string {
    return this.node('Constant', [], { value_strings: { texts: [Buffer.from(value)] } });
  }

  /** Adds an int64 constant of one dimension. */
  ints(...values: readonly number[]): string {
    return this.#constant('int64', [values.length], BigInt64Array.from(values, BigInt), String(values));
  }

  /** Adds a scalar constant. */
  number(value: number, type: 'float' | 'double' | 'int64'): string {
    const data =
      type === 'int64'
        ? BigInt64Array.of(BigInt(value))
        : type === 'double'
          ? Float64Array.of(value)
          : Float32Array.of(value);
    return this.#constant(type, [], data, `${type} ${value}`);
  }

  /** Adds a float64 constant of one dimension. */
  doubles(values: readonly number[]): string {
    return this.#constant('double', [values.length], Float64Array.from(values), `doubles ${String(values)}`);
  }

  /** Adds a tensor of the model. */
  tensor(name: string, { shape, data }: HostTensor): string {
    return this.initializer(name, 'float', shape, data.byteLength, () => readBytes(data));
  }

  /** Adds a tensor of any type, whose bytes are produced on demand; reuses one with the same name. */
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
      this.#initialize('constant', type, shape, data.byteLength, () => readBytes(data)),
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

function readBytes(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
