import { packageVersion } from '../runs/package-version.js';
import type { ModelFacts, ModelStatistics } from './messages.js';

/** Tensor datatype by the kind of values. */
const DATATYPES: Readonly<Record<ModelFacts['inputs'][number]['holds'], string>> = {
  id: 'INT64',
  text: 'BYTES',
  number: 'FP32',
  bag: 'BYTES',
  vector: 'FP32',
};

/** Describes the server for the Open Inference Protocol. */
export function serverMetadata() {
  return {
    name: 'mtl',
    version: packageVersion(),
    extensions: ['binary_tensor_data', 'model_configuration', 'statistics'],
  };
}

/** Describes a model for the Open Inference Protocol: one input tensor per column, one output tensor per output. */
export function modelMetadata({ name, version, inputs, outputs }: ModelFacts) {
  return {
    name,
    versions: [version],
    platform: 'mtl',
    inputs: inputs.map((input) => ({
      name: input.name,
      datatype: DATATYPES[input.holds],
      shape: input.holds === 'vector' ? [-1, -1] : [-1],
    })),
    outputs: outputs.map((output) => ({ name: output, datatype: 'FP32', shape: [-1] })),
  };
}

/** Describes a model as Triton's model configuration; the first dimension is rows. */
export function modelConfig(facts: ModelFacts) {
  const { name, platform, inputs, outputs } = modelMetadata(facts);
  const tensor = (each: { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }) => ({
    name: each.name,
    data_type: each.datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${each.datatype}`,
    dims: each.shape,
  });
  return {
    name,
    platform,
    backend: platform,
    max_batch_size: 0,
    input: inputs.map((input, i) => ({
      ...tensor(input),
      ...(facts.inputs[i]!.isOptional === true && { optional: true }),
    })),
    output: outputs.map(tensor),
  };
}

/** Formats statistics for Triton's clients; durations that are not measured have a count of 0. */
export function modelStatistics(
  { name, version }: ModelFacts,
  { rows, bundles, lastMs, success, fail }: ModelStatistics,
) {
  const unmeasured = { count: 0, ns: 0 };
  const duration = ({ count, seconds }: ModelStatistics['success']) => ({ count, ns: Math.round(1e9 * seconds) });
  return {
    name,
    version,
    last_inference: lastMs,
    inference_count: rows,
    execution_count: bundles,
    inference_stats: {
      success: duration(success),
      fail: duration(fail),
      queue: unmeasured,
      compute_input: unmeasured,
      compute_infer: unmeasured,
      compute_output: unmeasured,
    },
    batch_stats: [],
  };
}

/** Builds an entry of Triton's repository index. */
export function indexEntry({ name, version }: ModelFacts, isReady: boolean) {
  return {
    name,
    version,
    state: isReady ? 'READY' : 'UNAVAILABLE',
    reason: isReady ? '' : 'no prediction thread available',
  };
}
