import { packageVersion } from '../runs/package-version.js';
import type { ModelFacts } from './messages.js';

/** What a tensor of a column holds, by what its cells are. */
const DATATYPE_OF: Readonly<Record<ModelFacts['inputs'][number]['holds'], string>> = { id: 'INT64', text: 'BYTES', number: 'FP32', bag: 'BYTES', vector: 'FP32' };

/** The server, as the Open Inference Protocol tells of it. */
export function serverMetadata() {
  return { name: 'mtl', version: packageVersion(), extensions: ['binary_tensor_data'] };
}

/** A model, as the Open Inference Protocol tells of it: a tensor a column, and one a space. */
export function modelMetadata({ name, version, inputs, outputs }: ModelFacts) {
  return {
    name,
    versions: [version],
    platform: 'mtl',
    inputs: inputs.map((input) => ({ name: input.name, datatype: DATATYPE_OF[input.holds], shape: input.holds === 'vector' ? [-1, -1] : [-1] })),
    outputs: outputs.map((space) => ({ name: space, datatype: 'FP32', shape: [-1] })),
  };
}
