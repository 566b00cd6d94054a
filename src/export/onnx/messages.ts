import protobuf from 'protobufjs/light.js';

// The protobuf messages of an ONNX file with their field numbers, as in onnx.proto
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, Apache-2.0), without unused ones.

export const ELEMENT_TYPES = { float: 1, int8: 3, int64: 7, string: 8, bool: 9, double: 11 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, graph: 5, ints: 7, strings: 8 } as const;
const EXTERNAL = 1;

type Field = readonly [number: number, type: string, isRepeated?: 'repeated'];
const messages = (types: Readonly<Record<string, Readonly<Record<string, Field>>>>): protobuf.INamespace => ({
  nested: Object.fromEntries(
    Object.entries(types).map(([name, fields]) => [
      name,
      {
        fields: Object.fromEntries(
          Object.entries(fields).map(([field, [id, type, rule]]) => [
            field,
            rule === undefined ? { id, type } : { id, type, rule },
          ]),
        ),
      },
    ]),
  ),
});

const root = protobuf.Root.fromJSON(
  messages({
    Entry: { key: [1, 'string'], value: [2, 'string'] },
    Dimension: { dimValue: [1, 'int64'], dimParam: [2, 'string'] },
    Shape: { dim: [1, 'Dimension', 'repeated'] },
    TensorType: { elemType: [1, 'int32'], shape: [2, 'Shape'] },
    Type: { tensorType: [1, 'TensorType'] },
    ValueInfo: { name: [1, 'string'], type: [2, 'Type'], docString: [3, 'string'] },
    Tensor: {
      dims: [1, 'int64', 'repeated'],
      dataType: [2, 'int32'],
      name: [8, 'string'],
      externalData: [13, 'Entry', 'repeated'],
      dataLocation: [14, 'int32'],
    },
    Attribute: {
      name: [1, 'string'],
      f: [2, 'float'],
      i: [3, 'int64'],
      s: [4, 'bytes'],
      g: [6, 'Graph'],
      ints: [8, 'int64', 'repeated'],
      strings: [9, 'bytes', 'repeated'],
      type: [20, 'int32'],
    },
    Node: {
      input: [1, 'string', 'repeated'],
      output: [2, 'string', 'repeated'],
      name: [3, 'string'],
      opType: [4, 'string'],
      attribute: [5, 'Attribute', 'repeated'],
      domain: [7, 'string'],
    },
    Graph: {
      node: [1, 'Node', 'repeated'],
      name: [2, 'string'],
      input: [11, 'ValueInfo', 'repeated'],
      output: [12, 'ValueInfo', 'repeated'],
    },
    OperatorSet: { domain: [1, 'string'], version: [2, 'int64'] },
    Model: {
      irVersion: [1, 'int64'],
      producerName: [2, 'string'],
      producerVersion: [3, 'string'],
      opsetImport: [8, 'OperatorSet', 'repeated'],
      metadataProps: [14, 'Entry', 'repeated'],
    },
  }),
);
/** Fields of streamed content: the graph of a model, the initializers of a graph, the bytes of a tensor. */
const [GRAPH, INITIALIZER, RAW_DATA] = [7, 5, 9];

export type Attribute =
  | number
  | { readonly float: number }
  | string
  | readonly number[]
  | { readonly texts: readonly Uint8Array[] }
  | { readonly graph: Graph };

export interface Node {
  readonly name: string;
  readonly operator: string;
  /** undefined for the ONNX domain. */
  readonly domain?: string | undefined;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** An input or output; a string is the name of a dynamic dimension. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
  readonly about?: string;
}

/** A tensor of the model, whose bytes are produced on demand. */
export interface Initializer {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly bytes: number;
  data(): Uint8Array;
}

/** Nodes with their inputs and outputs: the inputs and outputs of a model, or of an operator that runs the nodes. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

export interface OnnxModel {
  readonly producerVersion: string;
  readonly irVersion: number;
  /** By domain; '' for ONNX. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly graph: Graph;
}

/** The external file of a model's tensors. */
export interface ExternalData {
  /** Relative to the model's directory. */
  readonly file: string;
  /** Offsets by tensor name. */
  readonly offsets: ReadonlyMap<string, number>;
}

const entries = (map: Readonly<Record<string, string>>): object[] =>
  Object.entries(map).map(([key, value]) => ({ key, value }));
const encode = (type: string, message: object): Uint8Array => root.lookupType(type).encode(message).finish();

function nodeMessage({ name, operator, domain = '', inputs, outputs, attributes }: Node): object {
  const attribute = Object.entries(attributes).map(([key, value]) => ({ name: key, ...attributeMessage(value) }));
  return { name, opType: operator, input: inputs, output: outputs, attribute, ...(domain === '' ? {} : { domain }) };
}

function attributeMessage(value: Attribute): object {
  if (typeof value === 'number') return { type: ATTRIBUTE_TYPES.int, i: value };
  if (typeof value === 'string') return { type: ATTRIBUTE_TYPES.string, s: Buffer.from(value) };
  if ('float' in value) return { type: ATTRIBUTE_TYPES.float, f: value.float };
  if ('graph' in value) return { type: ATTRIBUTE_TYPES.graph, g: graphMessage(value.graph) };
  return 'texts' in value
    ? { type: ATTRIBUTE_TYPES.strings, strings: value.texts }
    : { type: ATTRIBUTE_TYPES.ints, ints: value };
}

function graphMessage({ name, nodes, inputs, outputs }: Graph): object {
  return {
    name,
    node: nodes.map(nodeMessage),
    input: inputs.map(valueInfoMessage),
    output: outputs.map(valueInfoMessage),
  };
}

function valueInfoMessage({ name, type, shape, about }: ValueInfo): object {
  const dim = shape.map((extent) => (typeof extent === 'number' ? { dimValue: extent } : { dimParam: extent }));
  return {
    name,
    type: { tensorType: { elemType: ELEMENT_TYPES[type], shape: { dim } } },
    ...(about === undefined ? {} : { docString: about }),
  };
}

/** Returns the header of a bytes field. */
function fieldHead(field: number, length: number): Uint8Array {
  return protobuf.Writer.create()
    .uint32((field << 3) | 2)
    .uint32(length)
    .finish();
}

function tensorHead({ name, type, shape, bytes }: Initializer, external: ExternalData | undefined): Uint8Array {
  const offset = external?.offsets.get(name);
  const tensor = { name, dims: shape, dataType: ELEMENT_TYPES[type] };
  if (external === undefined || offset === undefined)
    return Buffer.concat([encode('Tensor', tensor), fieldHead(RAW_DATA, bytes)]);
  return encode('Tensor', {
    ...tensor,
    dataLocation: EXTERNAL,
    externalData: entries({ location: external.file, offset: String(offset), length: String(bytes) }),
  });
}

/** The bytes of a file and their number. */
export interface Encoded {
  readonly bytes: number;
  pieces(): Iterable<Uint8Array>;
}

/**
 * Encodes a model. Initializers come last, one at a time, since field order is free.
 * @param external location of tensors outside the file
 */
export function encodeModel(
  { graph, ...model }: OnnxModel,
  initializers: readonly Initializer[],
  external?: ExternalData,
): Encoded {
  const opsetImport = Object.entries(model.opsets).map(([domain, version]) => ({ domain, version }));
  const modelHead = encode('Model', {
    irVersion: model.irVersion,
    producerName: 'mtl',
    producerVersion: model.producerVersion,
    opsetImport,
    metadataProps: entries(model.metadata),
  });
  const graphHead = encode('Graph', graphMessage(graph));
  const tensors = initializers.map((initializer) => {
    const head = tensorHead(initializer, external);
    const dataBytes = external?.offsets.has(initializer.name) === true ? 0 : initializer.bytes;
    return { initializer, dataBytes, head: Buffer.concat([fieldHead(INITIALIZER, head.length + dataBytes), head]) };
  });
  const graphBytes = tensors.reduce((sum, { head, dataBytes }) => sum + head.length + dataBytes, graphHead.length);
  const heads = [modelHead, fieldHead(GRAPH, graphBytes), graphHead];
  return {
    bytes: modelHead.length + heads[1]!.length + graphBytes,
    *pieces() {
      yield* heads;
      for (const { initializer, dataBytes, head } of tensors) {
        yield head;
        if (dataBytes > 0) yield initializer.data();
      }
    },
  };
}
