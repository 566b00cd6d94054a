import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, type Model } from '../../src/index.js';
import type { BodyKind, ModelFacts } from '../../src/serve/messages.js';
import { modelMetadata } from '../../src/serve/metadata.js';
import { readTensorsRequest } from '../../src/serve/tensors-request.js';
import { KSERVE_PYTHON, needsKserve, needsPython, pythonAside } from '../support/python.js';
import { servedWorld, startServer, type InjectedResponse } from '../support/served.js';

const folder = mkdtempSync(join(tmpdir(), 'mtl-infer-'));
let rows: Record<string, string>[];
let model: Model;
let server: Awaited<ReturnType<typeof startServer>>;

beforeAll(async () => {
  const world = await servedWorld(folder);
  rows = world.rows.slice(0, 5);
  model = await loadModel(world.run);
  server = await startServer({ paths: [world.run] });
}, 120_000);
afterAll(async () => {
  await server.drain();
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data?: readonly unknown[];
  readonly parameters?: object;
}
interface Answer {
  readonly id?: string;
  readonly model_name: string;
  readonly model_version: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly datatype: string;
    readonly data: readonly number[];
    readonly parameters?: { readonly binary_data_size: number };
  }[];
}

const cells = (column: string): string[] => rows.map((row) => row[column]!);
const texts = (name: string, data: readonly unknown[] = cells(name)): Tensor => ({
  name,
  shape: [data.length],
  datatype: 'BYTES',
  data,
});
const numbers = (name: string, datatype: string): Tensor => ({
  name,
  shape: [rows.length],
  datatype,
  data: cells(name).map(Number),
});
/** The five rows, with one tensor per column. */
const inputs = (): Tensor[] => [
  numbers('101', 'INT64'),
  numbers('121', 'INT32'),
  texts('205'),
  texts('206'),
  numbers('D508', 'FP64'),
  texts('109_14'),
];
const changed = (name: string, change: object): Tensor[] =>
  inputs().map((tensor) => (tensor.name === name ? { ...tensor, ...change } : tensor));
const infer = (
  payload: object | Buffer,
  headers: Record<string, string> = {},
  url = '/v2/models/small/infer',
): Promise<InjectedResponse> => server.app.inject({ method: 'POST', url, payload, headers });
const outputs = (answer: Answer): Record<string, number[]> =>
  Object.fromEntries(answer.outputs.map(({ name, data }) => [name, data.map(Math.fround)]));
const expected = (of = rows as Parameters<Model['predict']>[0]): Record<string, number[]> =>
  Object.fromEntries(Object.entries(model.predict(of)).map(([name, values]) => [name, [...values]]));
const errorOf = (response: InjectedResponse): unknown => [
  response.statusCode,
  response.json<{ error: string }>().error,
];
const says = (text: string): unknown => expect.stringContaining(text);

/** A request with binary tensors after its JSON. */
function binaryRequest(
  tensors: readonly { readonly name: string; readonly datatype: string; readonly bytes: Buffer }[],
  rest: object = {},
): [Buffer, Record<string, string>] {
  const json = Buffer.from(
    JSON.stringify({
      inputs: tensors.map(({ name, datatype, bytes }) => ({
        name,
        datatype,
        shape: [rows.length],
        parameters: { binary_data_size: bytes.length },
      })),
      ...rest,
    }),
  );
  return [
    Buffer.concat([json, ...tensors.map(({ bytes }) => bytes)]),
    { 'inference-header-content-length': String(json.length) },
  ];
}
const textBytes = (list: readonly string[]): Buffer =>
  Buffer.concat(
    list.flatMap((text) => [Buffer.from(Uint32Array.of(Buffer.byteLength(text)).buffer), Buffer.from(text)]),
  );
const inBinary = (): { name: string; datatype: string; bytes: Buffer }[] => [
  { name: '101', datatype: 'INT64', bytes: Buffer.from(BigInt64Array.from(cells('101'), BigInt).buffer) },
  { name: '121', datatype: 'UINT16', bytes: Buffer.from(Uint16Array.from(cells('121'), Number).buffer) },
  { name: '205', datatype: 'BYTES', bytes: textBytes(cells('205')) },
  { name: '206', datatype: 'FP32', bytes: Buffer.from(Float32Array.from(cells('206'), Number).buffer) },
  { name: 'D508', datatype: 'FP64', bytes: Buffer.from(Float64Array.from(cells('D508'), Number).buffer) },
  { name: '109_14', datatype: 'BYTES', bytes: textBytes(cells('109_14')) },
];

const KIND: BodyKind = { form: 'tensors', onBadRow: 'error', onMissing: 'error' };

describe('a tensor of vectors', () => {
  const facts: ModelFacts = {
    name: 'm',
    version: '1',
    checkpoint: 'c',
    savedMs: 0,
    inputs: [{ name: 'look', holds: 'vector' }],
    outputs: ['ctr'],
    config: '',
  };
  const read = (tensor: object, rest: Buffer = Buffer.alloc(0)): unknown[] => {
    const json = Buffer.from(JSON.stringify({ inputs: [{ name: 'look', ...tensor }] }));
    const {
      rows: { count, valuesOf },
    } = readTensorsRequest(Buffer.concat([json, rest]), { ...KIND, jsonBytes: json.length }, facts, {
      bytes: 1000,
      rows: 10,
    });
    return Array.from({ length: count }, (_, row) => valuesOf('look')(row));
  };

  it('has one row of numbers, or one string, per row', () => {
    expect(read({ shape: [2, 3], datatype: 'FP32', data: [0.5, 1, -1, 2, 3, 4] })).toEqual([
      [0.5, 1, -1],
      [2, 3, 4],
    ]);
    expect(
      read(
        { shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: 8 } },
        Buffer.from(Float32Array.of(-0.5, 8).buffer),
      ),
    ).toEqual([[-0.5, 8]]);
    expect(read({ shape: [2], datatype: 'BYTES', data: ['1|2', ''] })).toEqual(['1|2', '']);
  });

  it('is described as one in the metadata', () => {
    expect(modelMetadata(facts)).toMatchObject({ inputs: [{ name: 'look', datatype: 'FP32', shape: [-1, -1] }] });
  });
});

describe('the Open Inference Protocol', () => {
  it('describes the server and a model as clients expect', async () => {
    expect((await server.app.inject('/v2')).json()).toMatchObject({
      name: 'mtl',
      extensions: ['binary_tensor_data', 'model_configuration', 'statistics'],
    });
    const metadata = {
      name: 'small',
      versions: ['10'],
      platform: 'mtl',
      inputs: says(''),
      outputs: ['ctr', 'cvr', 'ctcvr'].map((name) => ({ name, datatype: 'FP32', shape: [-1] })),
    };
    for (const url of ['/v2/models/small', '/v2/models/small/versions/10', '/v2/models/small/']) {
      const { inputs: found, ...rest } = (await server.app.inject(url)).json<{
        inputs: { name: string; datatype: string; shape: number[] }[];
      }>();
      expect({ ...rest, inputs: '' }).toEqual(metadata);
      expect(
        Object.fromEntries(found.map(({ name, datatype, shape }) => [name, `${datatype} ${shape.join()}`])),
      ).toEqual({
        '101': 'INT64 -1',
        '121': 'INT64 -1',
        '205': 'BYTES -1',
        '206': 'BYTES -1',
        D508: 'FP32 -1',
        '109_14': 'BYTES -1',
      });
    }
    for (const url of ['/v2/models/small/ready', '/v2/models/small/versions/10/ready'])
      expect((await server.app.inject(url)).json()).toEqual({ name: 'small', ready: true });
  });

  it("accepts additional keys of clients and Triton's extensions", async () => {
    const sent = {
      id: '1',
      model_name: 'small',
      model_version: '10',
      parameters: { priority: 1, timeout: 5, sequence_id: 3, sequence_start: true, sequence_end: false, trace: 'x' },
      inputs: inputs(),
    };
    const response = await infer(sent);
    expect([response.statusCode, response.headers['content-type']]).toEqual([200, 'application/json']);
    expect(outputs(response.json<Answer>())).toEqual(expected());

    for (const url of ['/v2/models/small/config', '/v2/models/small/versions/10/config']) {
      const config = (await server.app.inject(url)).json<{ input: object[]; output: object[] }>();
      expect(config).toMatchObject({
        name: 'small',
        max_batch_size: 0,
        output: ['ctr', 'cvr', 'ctcvr'].map((name) => ({ name, data_type: 'TYPE_FP32', dims: [-1] })),
      });
      expect(config.input).toContainEqual({ name: '205', data_type: 'TYPE_STRING', dims: [-1] });
    }
    expect((await server.app.inject({ method: 'POST', url: '/v2/repository/index', payload: '' })).json()).toEqual([
      { name: 'small', version: '10', state: 'READY', reason: '' },
    ]);

    interface Statistics {
      readonly model_stats: [
        {
          readonly inference_count: number;
          readonly execution_count: number;
          readonly last_inference: number;
          readonly inference_stats: {
            readonly success: { readonly count: number; readonly ns: number };
            readonly fail: { readonly count: number };
          };
        },
      ];
    }
    const statistics = async (url: string): Promise<Statistics['model_stats'][0]> =>
      (await server.app.inject(url)).json<Statistics>().model_stats[0];
    const before = await statistics('/v2/models/stats');
    await infer({ inputs: inputs() });
    await infer({});
    for (const url of ['/v2/models/stats', '/v2/models/small/stats', '/v2/models/small/versions/10/stats']) {
      const after = await statistics(url);
      expect([after.inference_count - before.inference_count, after.execution_count - before.execution_count]).toEqual([
        5, 1,
      ]);
      expect([
        after.inference_stats.success.count - before.inference_stats.success.count,
        after.inference_stats.fail.count - before.inference_stats.fail.count,
      ]).toEqual([1, 1]);
      expect(after.inference_stats.success.ns).toBeGreaterThan(before.inference_stats.success.ns);
      expect(after.last_inference).toBeGreaterThan(1e12);
    }
  });

  it('predicts tensors bitwise identically to rows', async () => {
    const response = await infer({ id: 'seven', inputs: inputs() });
    expect(response.statusCode).toBe(200);
    const answer = response.json<Answer>();
    expect(answer).toMatchObject({ id: 'seven', model_name: 'small', model_version: '10' });
    expect(answer.outputs.map(({ name, shape, datatype }) => [name, shape, datatype])).toEqual(
      ['ctr', 'cvr', 'ctcvr'].map((name) => [name, [5], 'FP32']),
    );
    expect(outputs(answer)).toEqual(expected());
    expect(
      outputs((await infer({ inputs: inputs() }, {}, '/v2/models/small/versions/10/infer')).json<Answer>()),
    ).toEqual(expected());
  });

  it('accepts shapes [rows, 1] and nested lists', async () => {
    const column = inputs().map((tensor) => ({
      ...tensor,
      ...(tensor.name !== '109_14' && { shape: [5, 1], data: tensor.data!.map((each) => [each]) }),
    }));
    expect(outputs((await infer({ inputs: column })).json<Answer>())).toEqual(expected());
    const none = inputs().map((tensor) => ({ ...tensor, shape: [0], data: [] }));
    expect(outputs((await infer({ inputs: none })).json<Answer>())).toEqual({ ctr: [], cvr: [], ctcvr: [] });
  });

  it('returns the requested outputs in order, as JSON or binary', async () => {
    const answer = (
      await infer({
        inputs: inputs(),
        outputs: [{ name: 'ctcvr' }, { name: 'ctr', parameters: { binary_data: false } }],
      })
    ).json<Answer>();
    expect(answer.outputs.map(({ name }) => name)).toEqual(['ctcvr', 'ctr']);
    const mixed = await infer({
      inputs: inputs(),
      outputs: [{ name: 'cvr', parameters: { binary_data: true } }, { name: 'ctr' }],
    });
    const jsonBytes = Number(mixed.headers['inference-header-content-length']);
    const { outputs } = JSON.parse(mixed.rawPayload.subarray(0, jsonBytes).toString()) as Answer;
    expect(outputs[0]).toEqual({ name: 'cvr', datatype: 'FP32', shape: [5], parameters: { binary_data_size: 20 } });
    expect(outputs[1]!.data.map(Math.fround)).toEqual(expected()['ctr']);
    expect([...new Float32Array(new Uint8Array(mixed.rawPayload.subarray(jsonBytes)).buffer)]).toEqual(
      expected()['cvr'],
    );
  });

  it('accepts binary tensors and returns binary outputs on request', async () => {
    const response = await infer(...binaryRequest(inBinary(), { parameters: { binary_data_output: true } }));
    expect([response.statusCode, response.headers['content-type']]).toEqual([200, 'application/octet-stream']);
    const found = new Float32Array(
      new Uint8Array(response.rawPayload.subarray(Number(response.headers['inference-header-content-length']))).buffer,
    );
    expect([...found]).toEqual(['ctr', 'cvr', 'ctcvr'].flatMap((name) => expected()[name]!));
  });

  it('treats absent inputs as null with ?onMissing=oov', async () => {
    const without = inputs().filter(({ name }) => name !== '205');
    expect(
      outputs((await infer({ inputs: without }, {}, '/v2/models/small/infer?onMissing=oov')).json<Answer>()),
    ).toEqual(expected(rows.map((row) => ({ ...row, 205: null }))));
    expect(errorOf(await infer({ inputs: without }, {}, '/v2/models/small/infer?onBadRow=skip'))).toEqual([
      400,
      '?onBadRow: unknown; expected ?onMissing',
    ]);
  });

  it('returns a prediction that is not finite as null in JSON and NaN in binary, with the reason', async () => {
    const large = changed('D508', { data: [...cells('D508').slice(0, 4).map(Number), 3e38] });
    const answer = (await infer({ inputs: large })).json<Answer & { readonly parameters: object }>();
    expect(answer.outputs.map(({ data }) => data.map((value: number | null) => value === null))).toEqual(
      Array(3).fill([false, false, false, false, true]),
    );
    expect(answer.outputs[0]!.data.slice(0, 4).map(Math.fround)).toEqual(expected()['ctr']!.slice(0, 4));
    const parameters = {
      problems:
        'rows[4]: output "cvr", "ctcvr": expected a finite prediction, found NaN; correct column "D508": ' +
        '3e+38 is too large',
    };
    expect(answer.parameters).toEqual(parameters);
    const binary = await infer({ inputs: large, outputs: [{ name: 'ctr', parameters: { binary_data: true } }] });
    const jsonBytes = Number(binary.headers['inference-header-content-length']);
    expect(JSON.parse(binary.rawPayload.subarray(0, jsonBytes).toString())).toMatchObject({ parameters });
    expect([...new Float32Array(new Uint8Array(binary.rawPayload.subarray(jsonBytes)).buffer)]).toEqual([
      ...expected()['ctr']!.slice(0, 4),
      NaN,
    ]);
  });

  it('accepts a bag as a string, as a row of items and as JSON', async () => {
    const bags = [['3', '4'], ['5'], [], ['3', '3', '7'], ['1']];
    const of = expected(rows.map((row, i) => ({ ...row, '109_14': bags[i]! })));
    const padded = (none: unknown, asCell: (id: string) => unknown): unknown[] =>
      bags.flatMap((bag) => [0, 1, 2].map((i) => (bag[i] === undefined ? none : asCell(bag[i]))));
    for (const change of [
      { data: bags.map((bag) => bag.join('|')) },
      { shape: [5, 3], data: padded('', String) },
      { shape: [5, 3], datatype: 'INT64', data: padded(-1, Number) },
      { parameters: { content_type: 'json' }, data: bags.map((bag) => JSON.stringify(bag)) },
      { parameters: { content_type: 'json' }, data: bags.map((bag) => JSON.stringify(bag.map((id) => [id, 1]))) },
      {
        parameters: { content_type: 'json' },
        data: bags.map((bag) => JSON.stringify(bag.map((id) => ({ id, weight: 1 })))),
      },
    ]) {
      const response = await infer({ inputs: changed('109_14', change) });
      expect([
        response.statusCode,
        response.statusCode === 200 ? outputs(response.json<Answer>()) : response.payload,
      ]).toEqual([200, of]);
    }
  });

  it.each([
    ['no inputs', () => ({}), 'inputs: expected a list of tensors, one per column, found nothing'],
    ['an input that is no object', () => ({ inputs: [7] }), 'inputs[0]: expected an object, found 7'],
    [
      'an unknown column',
      () => ({ inputs: changed('D508', { name: 'D509' }) }),
      `inputs[4].name: expected 101, 121, 205, 206, D508, 109_14, found "D509"; did you mean 'D508'?`,
    ],
    ['a duplicate column', () => ({ inputs: [...inputs(), texts('205')] }), 'inputs[6] ("205"): duplicate input'],
    [
      'an unknown datatype',
      () => ({ inputs: changed('101', { datatype: 'INT46' }) }),
      `INT64, FP16, FP32, FP64, found "INT46"; did you mean 'INT16'?`,
    ],
    [
      'a shape with three dimensions',
      () => ({ inputs: changed('101', { shape: [5, 1, 1] }) }),
      'inputs[0] ("101").shape: expected [rows] or [rows, 1], found [5,1,1]',
    ],
    [
      'a negative shape',
      () => ({ inputs: changed('101', { shape: [-1] }) }),
      'inputs[0] ("101").shape: expected [rows] or [rows, 1], found [-1]',
    ],
    [
      'two elements per row of a single value',
      () => ({ inputs: changed('101', { shape: [5, 2] }) }),
      'inputs[0] ("101").shape: expected [rows] or [rows, 1], found [5,2]',
    ],
    [
      'fewer elements than the shape requires',
      () => ({ inputs: changed('101', { data: [1, 2] }) }),
      'inputs[0] ("101").data: expected 5 elements for the shape, found 2',
    ],
    [
      'columns of several lengths',
      () => ({ inputs: changed('205', { shape: [1], data: ['3'] }) }),
      'column "205": has 1 values, but column "101" has 5',
    ],
    [
      'strings for a numeric datatype',
      () => ({ inputs: changed('101', { data: ['1', 2, 3, 4, 5] }) }),
      'inputs[0] ("101").data[0]: expected a number for INT64, found "1"; write numbers without quotes, ' +
        'or set "datatype": "BYTES"',
    ],
    [
      'an invalid value',
      () => ({ inputs: changed('101', { data: [1, 2, -3, 4, 5] }) }),
      'rows[2]: column "101": expected an integer id in digits, found -3',
    ],
    [
      'missing columns',
      () => ({ inputs: inputs().slice(0, -2) }),
      'inputs: columns "D508", "109_14": are missing; add them, as null if their values are missing, or set',
    ],
    [
      'an unknown output',
      () => ({ inputs: inputs(), outputs: [{ name: 'cvt' }] }),
      `outputs[0].name: expected ctr, cvr, ctcvr, found "cvt"; did you mean 'cvr'?`,
    ],
    [
      'an unknown parameter',
      () => ({ inputs: inputs(), outputs: [{ name: 'cvr', parameters: { classification: 2 } }] }),
      'outputs[0].parameters: classification: unknown key; expected binary_data',
    ],
    [
      'a misspelled parameter',
      () => ({ inputs: inputs(), parameters: { binary_data_outputs: true } }),
      "parameters: binary_data_outputs: unknown key; did you mean 'binary_data_output'?",
    ],
    [
      'a misspelled key',
      () => ({ inputs: inputs(), output: [] }),
      'body: output: unknown key; expected id, model_name, model_version, parameters, inputs, outputs; ' +
        "did you mean 'outputs'?",
    ],
    [
      'a flag that is a string',
      () => ({ inputs: inputs(), parameters: { binary_data_output: 'true' } }),
      'parameters: binary_data_output: expected true or false, found "true"',
    ],
    ['an id that is a number', () => ({ id: 7, inputs: inputs() }), 'id: expected a string, found 7'],
    [
      'a bag with invalid JSON',
      () => ({
        inputs: changed('109_14', { parameters: { content_type: 'json' }, data: ['[', '[]', '[]', '[]', '[]'] }),
      }),
      'inputs[5] ("109_14").data[0]: expected a list of items as JSON, found "["',
    ],
    [
      'a size without bytes',
      () => ({ inputs: changed('101', { data: undefined, parameters: { binary_data_size: 40 } }) }),
      'inputs[0] ("101").parameters.binary_data_size: expected a number of bytes after the JSON, ' +
        'of which 0 are left, found 40; set the length of the JSON in the header Inference-Header-Content-Length',
    ],
  ])('rejects %s with the reason', async (_, body, message) => {
    expect(errorOf(await infer(body()))).toEqual([400, says(message)]);
  });

  it.each([
    [
      'too few bytes',
      (tensors: ReturnType<typeof inBinary>) => tensors.with(0, { ...tensors[0]!, bytes: Buffer.alloc(39) }),
      'inputs[0] ("101"): expected 40 bytes for 5 elements of INT64, found 39',
    ],
    [
      'a string beyond its tensor',
      (tensors: ReturnType<typeof inBinary>) =>
        tensors.with(2, { ...tensors[2]!, bytes: Buffer.from([255, 0, 0, 0, 65]) }),
      'inputs[2] ("205"): expected strings prefixed with their length in 4 bytes; element 0 exceeds the tensor',
    ],
    [
      'too many strings',
      (tensors: ReturnType<typeof inBinary>) =>
        tensors.with(2, { ...tensors[2]!, bytes: textBytes(['1', '2', '3', '4', '5', '6']) }),
      'inputs[2] ("205"): expected 5 strings for the shape, found 5 or more',
    ],
    [
      'invalid UTF-8',
      (tensors: ReturnType<typeof inBinary>) =>
        tensors.with(2, { ...tensors[2]!, bytes: Buffer.from([1, 0, 0, 0, 255]) }),
      'inputs[2] ("205"): expected UTF-8, found invalid bytes in element 0',
    ],
  ])('rejects %s in binary', async (_, change, message) => {
    expect(errorOf(await infer(...binaryRequest(change(inBinary()))))).toEqual([400, says(message)]);
  });

  it('rejects extra bytes and JSON longer than the body', async () => {
    const [body, headers] = binaryRequest(inBinary());
    expect(errorOf(await infer(Buffer.concat([body, Buffer.from('more')]), headers))).toEqual([
      400,
      says('body: 4 bytes after the JSON belong to no tensor'),
    ]);
    expect(errorOf(await infer(body, { 'inference-header-content-length': '99999' }))).toEqual([
      400,
      says('inference-header-content-length: declares 99999 bytes of JSON, but the body has'),
    ]);
    expect(errorOf(await infer(body, { 'inference-header-content-length': 'x' }))).toEqual([
      400,
      'inference-header-content-length: expected a number of bytes',
    ]);
  });

  it('rejects unknown models and versions', async () => {
    expect(errorOf(await infer({ inputs: inputs() }, {}, '/v2/models/smal/infer'))).toEqual([
      404,
      `model: unknown model "smal"; available: small; did you mean 'small'?`,
    ]);
    expect(errorOf(await server.app.inject('/v2/models/small/versions/11'))).toEqual([
      404,
      'version: unknown version "11" of small; the current version is 10; remove the version from the path',
    ]);
  });

  it("works with Triton's client", async (test) => {
    needsPython(test, 'numpy', 'tritonclient.http');
    const script = `
import json, sys, numpy as np, tritonclient.http as triton
from tritonclient.utils import InferenceServerException
client = triton.InferenceServerClient(sys.argv[1])
rows = json.loads(sys.argv[2])
assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready('small') and client.is_model_ready('small', '10')
assert client.get_server_metadata()['name'] == 'mtl'
config = client.get_model_config('small')
output_types = [(each['name'], each['data_type']) for each in config['output']]
assert output_types == [('ctr', 'TYPE_FP32'), ('cvr', 'TYPE_FP32'), ('ctcvr', 'TYPE_FP32')], config
assert [each['state'] for each in client.get_model_repository_index()] == ['READY']
statistics_before = client.get_inference_statistics('small')['model_stats'][0]
metadata = client.get_model_metadata('small')
numpy_type = {'INT64': np.int64, 'FP32': np.float32, 'BYTES': np.object_}
answers = []
for is_binary, compression in [(True, None), (False, None), (True, 'gzip'), (True, 'deflate')]:
    inputs = []
    for column in metadata['inputs']:
        tensor = triton.InferInput(column['name'], [len(rows)], column['datatype'])
        cells = [row[column['name']] for row in rows]
        values = np.array(cells if column['datatype'] == 'BYTES' else [float(cell) for cell in cells])
        tensor.set_data_from_numpy(values.astype(numpy_type[column['datatype']]), binary_data=is_binary)
        inputs.append(tensor)
    outputs = [triton.InferRequestedOutput(output['name'], binary_data=is_binary) for output in metadata['outputs']]
    for asked in (None, outputs):
        result = client.infer(
            'small', inputs, outputs=asked, request_id='7', sequence_id=3, sequence_start=True, priority=1,
            timeout=1000000, parameters={'trace': 'x'}, request_compression_algorithm=compression)
        names = [output['name'] for output in metadata['outputs']]
        answers.append({name: [float(value) for value in result.as_numpy(name)] for name in names})
statistics = client.get_inference_statistics()['model_stats'][0]
count_before, count = (each['inference_stats']['success']['count'] for each in (statistics_before, statistics))
assert count - count_before == 8, statistics
strings = np.array([row['101'] for row in rows], dtype=np.object_)
as_strings = triton.InferInput('101', [len(rows)], 'BYTES').set_data_from_numpy(strings)
without = client.infer('small', inputs[1:] + [as_strings], query_params={'onMissing': 'oov'})
assert without.as_numpy('ctr').shape == (len(rows),)
try:
    client.infer('small', inputs[1:])
except InferenceServerException as error:
    answers.append(str(error))
print(json.dumps(answers))
`;
    const answers = JSON.parse(
      await pythonAside(folder, script, [new URL(server.url).host, JSON.stringify(rows)]),
    ) as unknown[];
    expect(answers).toEqual([...Array.from({ length: 8 }, () => expected()), says('inputs: column "101": is missing')]);
  });

  it("works with KServe's SDK", async (test) => {
    needsKserve(test);
    const script = `
import asyncio, json, sys, numpy as np
from kserve import InferInput, InferRequest, InferenceRESTClient
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput
url, rows = sys.argv[1], json.loads(sys.argv[2])
columns = ['101', '121', '205', '206', 'D508', '109_14']
def inputs(binary):
    tensors = []
    for column in columns:
        is_number = column == 'D508'
        tensor = InferInput(column, [len(rows)], 'FP64' if is_number else 'BYTES')
        cells = [float(row[column]) for row in rows] if is_number else [row[column] for row in rows]
        tensor.set_data_from_numpy(np.array(cells, dtype=np.float64 if is_number else np.object_), binary_data=binary)
        tensors.append(tensor)
    return tensors
async def main():
    client = InferenceRESTClient(RESTConfig(protocol='v2'))
    assert await client.is_server_live(url) and await client.is_server_ready(url)
    assert await client.is_model_ready(url, 'small')
    answers = []
    for binary in (False, True):
        for parameters in (None, {'binary_data_output': True}):
            request = InferRequest(model_name='small', infer_inputs=inputs(binary), parameters=parameters)
            response = await client.infer(url, request, model_name='small')
            values = {output.name: output.as_numpy() for output in response.outputs}
            answers.append({name: [float(np.float32(value)) for value in each] for name, each in values.items()})
    large = inputs(False)
    large[4].set_data_from_numpy(np.array([3e38] * len(rows)), binary_data=False)
    response = await client.infer(url, InferRequest(model_name='small', infer_inputs=large), model_name='small')
    assert np.isnan(response.outputs[1].as_numpy()).all()
    assert 'rows[0]' in response.parameters['problems'], response.parameters
    try:
        await client.infer(url, InferRequest(model_name='small', infer_inputs=inputs(False)[1:]), model_name='small')
    except Exception as error:
        answers.append(str(error))
    await client.close()
    print(json.dumps(answers))
asyncio.run(main())
`;
    const answers = JSON.parse(
      (await pythonAside(folder, script, [server.url, JSON.stringify(rows)], KSERVE_PYTHON)).trim().split('\n').at(-1)!,
    ) as unknown[];
    expect(answers).toEqual([...Array.from({ length: 4 }, () => expected()), says('inputs: column "101": is missing')]);
  }, 60_000);
});
