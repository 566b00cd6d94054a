import { listPredictedOutputs, type Output } from '../../evaluation/outputs.js';
import { listRequired, listOperands } from '../../graph/graph.js';
import type { ParentItems } from '../../graph/domain.js';
import { findLookups, type PooledItems } from '../../graph/lookups.js';
import type { Value } from '../../graph/operations.js';
import { modelMetadata, getWeights, type ExportedModel } from '../model.js';
import type { BagForm } from './bags.js';
import { emitCurve } from './curves.js';
import type { Emission } from './emission.js';
import { emitFeatures, emitItems, emitPooled, emitPooledValues, encodedValues, inputNames } from './features.js';
import { BATCH, itemRows } from './items.js';
import type { Initializer, OnnxModel } from './messages.js';
import { OnnxGraph } from './onnx-graph.js';
import { EMITTED } from './operations.js';
import { rawValues } from './raw-values.js';
import { tableLookup } from './tables.js';

/**
 * Versions of ONNX 1.12 (June 2022), supported by ONNX Runtime from 1.12; sums in ScatterElements need opset 16. String
 * operators need ONNX 1.15 (October 2023).
 */
const VERSIONS = {
  encoded: { irVersion: 8, opsets: { '': 17 } },
  raw: { irVersion: 9, opsets: { '': 20, 'ai.onnx.ml': 3 } },
} as const;

/** Options of the emitted graph. */
export interface EmitOptions {
  /** Input format of bags; `text`: raw values for all inputs. */
  readonly bags: BagForm | 'text';
  readonly quantize?: 'int8' | undefined;
}

/** An ONNX model and its tensors. */
export interface EmittedModel {
  readonly message: OnnxModel;
  readonly initializers: readonly Initializer[];
}

/** Emits a model in evaluation mode as ONNX, from features to predictions. */
export function emitModel(model: ExportedModel, { bags, quantize }: EmitOptions): EmittedModel {
  const { about, graph, layout } = model;
  const outputs = listPredictedOutputs(model.outputs);
  const isRaw = bags === 'text';
  const inputs = isRaw ? model.fields.flatMap(({ columns }) => columns) : inputNames(layout);
  const outputNames = new Map(outputs.map(({ name }) => [name, inputs.includes(name) ? `${name}.prediction` : name]));
  const onnx = new OnnxGraph([...inputs, ...outputNames.values()]);
  const lookup = tableLookup(onnx, model, quantize !== undefined);
  const values = isRaw ? rawValues(onnx, model.fields, model.decimal) : encodedValues(onnx, bags);
  const emitValue = createEmitter(model, onnx, {
    features: (begin, end) => emitFeatures(onnx, layout, begin, end, lookup, values),
    items: (source) => emitItems(onnx, layout, source, lookup),
    pooled: (items) => emitPooled(onnx, layout, items, lookup, values),
    pooledValues: (items, parent) => emitPooledValues(onnx, items, parent, lookup),
  });
  const predictions = new Map([...graph.predictions].map(([task, value]) => [task, emitValue(value)]));
  for (const output of outputs) {
    const column = emitOutput(onnx, output, predictions);
    onnx.output(onnx.node('Squeeze', [column, onnx.ints(1)]), {
      name: outputNames.get(output.name)!,
      type: 'float',
      shape: [BATCH],
    });
  }
  const metadata = {
    ...modelMetadata(model, (output) => outputNames.get(output)!),
    'mtl.inputs': isRaw ? 'raw' : 'encoded',
  };
  return {
    message: {
      producerVersion: about.version,
      ...VERSIONS[isRaw ? 'raw' : 'encoded'],
      metadata,
      graph: { name: about.model, nodes: onnx.nodes, inputs: onnx.inputs, outputs: onnx.outputs },
    },
    initializers: onnx.initializers,
  };
}

/** Emits values that are looked up. */
interface EmitLookups extends Pick<Emission, 'features' | 'items'> {
  pooled(items: PooledItems): string;
  pooledValues(items: PooledItems, parent: ParentItems): string;
}

/** Emits values on demand, so that only what predictions need is exported. */
function createEmitter(model: ExportedModel, onnx: OnnxGraph, emitLookups: EmitLookups): (value: Value) => string {
  const { pooled } = findLookups(model.graph);
  const needed = listRequired(model.graph, [...model.graph.predictions.values()]);
  const numReaders = new Map<Value, number>();
  for (const value of needed)
    for (const operand of listOperands(value)) numReaders.set(operand, (numReaders.get(operand) ?? 0) + 1);
  for (const value of model.graph.predictions.values()) numReaders.set(value, (numReaders.get(value) ?? 0) + 1);

  const names = new Map<Value, string>();
  const emission: Emission = {
    onnx,
    features: (begin, end) => emitLookups.features(begin, end),
    items: (source) => emitLookups.items(source),
    itemRows: (field) => itemRows(onnx, field),
    weights: ({ name }) => getWeights(model, name),
    of(value) {
      let name = names.get(value);
      if (name === undefined) names.set(value, (name = emit(value)));
      return name;
    },
    isReadOnce: (value) => numReaders.get(value) === 1,
  };
  const emit = (value: Value): string => {
    const items = pooled.get(value);
    const parent = items?.items.rows.kind === 'items' ? items.items.rows.parent : undefined;
    if (items !== undefined && parent !== undefined) return emitLookups.pooledValues(items, parent);
    // Sequences have a single input format, so that other operations can read the same items.
    if (items !== undefined && model.layout.columns.some(({ field }) => field === items.field))
      return emitLookups.pooled(items);
    // The entry for `value.op` accepts its values; losses have none, since no prediction depends on them.
    const entry = (EMITTED as Partial<Record<Value['op'], (value: Value, emission: Emission) => string>>)[value.op];
    if (entry === undefined) throw new Error(`a prediction depends on a loss, ${value.op}`);
    return entry(value, emission);
  };
  return emission.of;
}

/** Emits an output like `predictionsOf`: the product of its tasks' predictions, after its calibrator. */
function emitOutput(
  onnx: OnnxGraph,
  { name, factors, calibrator }: Output,
  predictions: ReadonlyMap<string, string>,
): string {
  const product = factors
    .map((task) => predictions.get(task)!)
    .reduce((previous, factor) => onnx.node('Mul', [previous, factor]));
  return calibrator === undefined ? product : emitCurve(onnx, calibrator.curve, product, `${name}.calibration`);
}
