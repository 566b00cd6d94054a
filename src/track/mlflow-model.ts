import { basename } from 'node:path';
import { stringify } from 'yaml';
import type { RunFile, TextFile } from './mlflow-artifacts.js';
import type { ModelTensor, OnnxModel } from './tracker.js';

// The files of an MLflow model: https://mlflow.org/docs/latest/ml/model/.

/** Numpy's names of element types. */
const DTYPES: Readonly<Record<ModelTensor['type'], string>> = {
  float: 'float32',
  double: 'float64',
  int8: 'int8',
  int64: 'int64',
  bool: 'bool',
  string: 'object',
};

const [REQUIREMENTS, PYTHON_ENV] = ['requirements.txt', 'python_env.yaml'];

/** Packages that load and run the model. */
const ENVIRONMENT: readonly TextFile[] = [
  { path: REQUIREMENTS, text: 'mlflow>=3\nonnx>=1.15\nonnxruntime>=1.18\n' },
  { path: PYTHON_ENV, text: stringify({ build_dependencies: ['pip'], dependencies: [`-r ${REQUIREMENTS}`] }) },
];

/** Returns the name of a model in MLflow: the name of its file, without characters that MLflow rejects. */
export function nameModel({ files }: OnnxModel): string {
  return basename(files[0]!)
    .replace(/\.onnx$/i, '')
    .replace(/[/:.%"']/g, '-');
}

/** Lists the files of an export, with their artifact paths. */
export function listOwnFiles({ files }: OnnxModel): readonly RunFile[] {
  return files.map((file) => ({ path: basename(file), file }));
}

/** Lists the files of an ONNX model in MLflow, with those from which MLflow loads it in Python. */
export function listModelFiles(
  onnx: OnnxModel,
  ids: { readonly runId: string; readonly modelId: string; readonly artifactUri: string },
): readonly (RunFile | TextFile)[] {
  const own = listOwnFiles(onnx);
  const data = own[0]!.path;
  const model = {
    artifact_path: ids.artifactUri,
    flavors: {
      onnx: { data, providers: ['CPUExecutionProvider'] },
      python_function: { data, env: { virtualenv: PYTHON_ENV }, loader_module: 'mlflow.onnx' },
    },
    model_id: ids.modelId,
    run_id: ids.runId,
    signature: { inputs: describeTensors(onnx.inputs), outputs: describeTensors(onnx.outputs) },
  };
  return [...own, ...ENVIRONMENT, { path: 'MLmodel', text: stringify(model) }];
}

/** Describes tensors as a schema of MLflow, in JSON; dimensions of any size are -1. */
function describeTensors(tensors: readonly ModelTensor[]): string {
  const schema = tensors.map(({ name, type, shape }) => ({
    name,
    type: 'tensor',
    'tensor-spec': { dtype: DTYPES[type], shape: shape.map((extent) => (typeof extent === 'number' ? extent : -1)) },
  }));
  return JSON.stringify(schema);
}
