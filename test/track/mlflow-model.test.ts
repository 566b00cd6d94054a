/** @module-tag long */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { exportModel, type ExportResult } from '../../src/export.js';
import { formatSpec } from '../../src/export/formats.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { ARTIFACT_OPTIONS, findMlflowPython, startMlflow } from '../support/mlflow-server.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
const before = process.cwd();
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-mlflow-model-'));
  await smallWorld(world);
  process.chdir(world);
});
afterAll(() => {
  process.chdir(before);
  rmSync(world, { recursive: true, force: true });
});

/** Exports a run as ONNX; warnings of MLflow are added to `warnings`. */
const exportOnnx = (run: string, out: string, warnings: string[]): Promise<ExportResult> =>
  exportModel({
    path: run,
    spec: formatSpec('onnx', { withEncoders: true }),
    out,
    device: 'cpu',
    threads: 1,
    onWarning: (text) => warnings.push(text),
    signal: new AbortController().signal,
  });

/** Prints what MLflow's own client finds and predicts: arguments are the server, the model's URI and a CSV file. */
const CLIENT = `
import json, sys
import mlflow, pandas
url, uri, rows = sys.argv[1:]
mlflow.set_tracking_uri(url)
experiment = mlflow.get_experiment_by_name('models').experiment_id
models = mlflow.search_logged_models(experiment_ids=[experiment], output_format='list')
frame = pandas.read_csv(rows, dtype=str, keep_default_na=False)
predictions = mlflow.pyfunc.load_model(uri).predict(frame)
outputs = mlflow.get_run(models[0].source_run_id).outputs.model_outputs
print(json.dumps({
    'models': [[model.name, model.model_uri, str(model.status)] for model in models],
    'outputs': [[output.model_id, output.step] for output in outputs],
    'graphInputs': [each.name for each in mlflow.onnx.load_model(uri).graph.input],
    'version': mlflow.register_model(uri, 'ctr').version,
    'predictions': {name: values.tolist() for name, values in predictions.items()},
}))
`;

describe('the ONNX file of a run in MLflow', () => {
  it.for(ARTIFACT_OPTIONS)(
    'is a logged model that MLflow finds, loads, predicts with and registers: %s',
    { timeout: 600_000 },
    async (artifacts, context) => {
      const python = findMlflowPython(context);
      const url = await startMlflow(context, artifacts);
      const run = `run${artifacts}`;
      await trainSmall('esmm.yaml', { runDir: run, set: [`loggers.mlflow=${url}`, 'loggers.experiment=models'] });
      const warnings: string[] = [];
      const { loggedModel } = await exportOnnx(run, join(world, 'ctr.v1.onnx'), warnings);
      expect([warnings, loggedModel]).toEqual([[], expect.stringMatching(/^models:\/m-\w+$/)]);

      const [header, ...lines] = readFileSync('test.csv', 'utf8').trimEnd().split('\n').slice(0, 21);
      writeFileSync('rows.csv', [header, ...lines, ''].join('\n'));
      const printed = execFileSync(python, ['-c', CLIENT, url, loggedModel!, 'rows.csv'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const found = JSON.parse(printed) as {
        readonly models: unknown;
        readonly outputs: unknown;
        readonly graphInputs: readonly string[];
        readonly version: string;
        readonly predictions: Readonly<Record<string, readonly number[]>>;
      };
      const model = await loadModel(run);
      onTestFinished(() => model.dispose());
      expect(found).toMatchObject({
        models: [['ctr-v1', loggedModel, 'READY']],
        outputs: [[loggedModel!.replace('models:/', ''), model.step]],
        graphInputs: model.inputs.map(({ name }) => name),
        version: '1',
      });
      const names = header!.split(',');
      const rows = lines.map((line) => Object.fromEntries(line.split(',').map((value, i) => [names[i]!, value])));
      for (const [output, expected] of Object.entries(model.predict(rows)))
        Array.from(expected, (value, i) => expect(found.predictions[output]![i]).toBeCloseTo(value, 5));
    },
  );

  it('is written, with a warning, if the server is unreachable or has no logged models', async () => {
    const server = createServer((request, response) => {
      const isRun = request.url!.includes('/runs/get');
      response.writeHead(isRun ? 200 : 404).end(isRun ? '{ "run": { "info": { "run_id": "r" } } }' : '<html>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    await trainSmall('esmm.yaml', { runDir: 'older', set: ['training.epochs=1'] });
    const old = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const [url, problem] of [
      ['http://127.0.0.1:9', 'cannot connect'],
      [old, 'the server has no such endpoint; check its URL, or update it to MLflow 3'],
    ]) {
      writeFileSync('older/mlflow.json', JSON.stringify({ url, runId: 'r' }));
      const warnings: string[] = [];
      const { files, loggedModel } = await exportOnnx('older', join(world, 'older.onnx'), warnings);
      expect([files, loggedModel]).toEqual([[join(world, 'older.onnx')], undefined]);
      expect(warnings).toEqual([expect.stringContaining(problem!)]);
      expect(warnings[0]).toContain('not uploaded: older.onnx');
    }
  });
});
