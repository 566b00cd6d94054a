import protobuf from 'protobufjs/light.js';

// The messages of an ONNX file that are written here, with the numbers of their fields: those of onnx.proto
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, Apache-2.0), without what is never written.

/** How the elements of a tensor are stored: the numbers of `TensorProto.DataType`. */
export const ELEMENT_TYPES = { float: 1, int8: 3, int64: 7, string: 8, bool: 9, double: 11 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;
/** The numbers of `AttributeProto.AttributeType`. */
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, ints: 7, strings: 8 } as const;
/** `TensorProto.DataLocation.EXTERNAL` */
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
/** The fields that hold what is streamed: a model's graph, a graph's initializers, a tensor's bytes. */
const [GRAPH, INITIALIZER, RAW_DATA] = [7, 5, 9];

/** A whole number, a float, a text or a list of the same. */
export type Attribute =
  number | { readonly float: number } | string | readonly number[] | { readonly texts: readonly Uint8Array[] };

/** One call of an operator. */
export interface Node {
  readonly name: string;
  readonly operator: string;
  /** undefined for ONNX's own. */
  readonly domain?: string | undefined;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** An input or an output: a text is the name of a dimension that is free. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
  readonly about?: string;
}

/** A tensor that comes with the model, its bytes only while they are written. */
export interface Initializer {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly bytes: number;
  data(): Uint8Array;
}

/** All of a model. */
export interface OnnxModel {
  readonly producerVersion: string;
  readonly irVersion: number;
  /** By domain; ONNX's own is ''. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly graph: {
    readonly name: string;
    readonly nodes: readonly Node[];
    readonly inputs: readonly ValueInfo[];
    readonly outputs: readonly ValueInfo[];
  };
}

/** The bytes that lie beside a model, of the tensors that are not in it. */
export interface ExternalData {
  /** Relative to the model's folder. */
  readonly file: string;
  /** By name of the tensor: where it begins. */
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
  return 'texts' in value
    ? { type: ATTRIBUTE_TYPES.strings, strings: value.texts }
    : { type: ATTRIBUTE_TYPES.ints, ints: value };
}

function valueInfoMessage({ name, type, shape, about }: ValueInfo): object {
  const dim = shape.map((extent) => (typeof extent === 'number' ? { dimValue: extent } : { dimParam: extent }));
  return {
    name,
    type: { tensorType: { elemType: ELEMENT_TYPES[type], shape: { dim } } },
    ...(about === undefined ? {} : { docString: about }),
  };
}

/** A field of bytes, without them. */
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

/** The bytes of a file, and how many there will be. */
export interface Encoded {
  readonly bytes: number;
  pieces(): Iterable<Uint8Array>;
}

/**
 * A model as the bytes of its file. Since fields may stand in any order, the initializers come last, one at a time.
 * @param external of those that are not in the file
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
  const graphHead = encode('Graph', {
    name: graph.name,
    node: graph.nodes.map(nodeMessage),
    input: graph.inputs.map(valueInfoMessage),
    output: graph.outputs.map(valueInfoMessage),
  });
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
