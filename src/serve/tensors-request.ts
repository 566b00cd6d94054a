import type { Cell, Item } from '../data/rows/encode-values.js';
import { shortestDecimal } from '../data/files/parquet/number-text.js';
import { rowsOfColumns } from '../data/rows/object-rows.js';
import { didYouMean, problemLine, quoted, type Problem } from '../core/errors.js';
import type { Predictions } from '../trained-model/load-model.js';
import { asObject, parseJsonBody, tooManyRows, withKeys } from './body.js';
import { refuseBadInput, type GivenRequest } from './given-request.js';
import type { Answered, BodyKind, BodyLimits, ModelFacts } from './messages.js';
import { refusal } from './refusal.js';
import { binaryCells, DATATYPES, jsonCells, textCells } from './tensor-data.js';

// The inference request of the Open Inference Protocol v2
// (https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol),
// with its extension for tensors in binary.

// KServe's SDK repeats the model's name, which is in the path.
const REQUEST_KEYS = ['id', 'model_name', 'model_version', 'parameters', 'inputs', 'outputs'];
const INPUT_KEYS = ['name', 'shape', 'datatype', 'parameters', 'data'];
/** The parameter that asks for all outputs in binary. */
const BINARY_OUTPUT = 'binary_data_output';
const OUTPUT_KEYS = ['name', 'parameters'];

/** An output that is asked for. */
interface AskedOutput {
  readonly name: string;
  readonly isBinary: boolean;
}

/**
 * Reads columns as tensors: `{"inputs": [{"name": "101", "shape": [2], "datatype": "INT64", "data": [413, 414]}, …]}`.
 * @throws Refusal, or UserError (data)
 */
export function readTensorsRequest(
  body: Uint8Array,
  { jsonBytes = body.length, onMissing }: BodyKind,
  facts: ModelFacts,
  limits: BodyLimits,
): GivenRequest {
  if (jsonBytes > body.length)
    throw refusal(400, {
      where: 'inference-header-content-length',
      message: `says ${jsonBytes} bytes of JSON, and the body has ${body.length}`,
    });
  const request = known(parseJsonBody(body.subarray(0, jsonBytes)), 'body', REQUEST_KEYS);
  const { id } = request;
  if (id !== undefined && typeof id !== 'string')
    throw refusal(400, { where: 'id', message: `expected a text, found ${quoted(id)}` });
  const parameters = requestParameters(request['parameters'] ?? {});
  const outputs = askedOutputs(request['outputs'], flag(parameters, BINARY_OUTPUT, 'parameters'), facts.outputs);
  const columns = readInputs(request['inputs'], body.subarray(jsonBytes), facts, limits);
  return {
    rows: rowsOfColumns(columns, onMissing === 'error' ? facts.inputs.map(({ name }) => name) : undefined, 'inputs'),
    answer(predictions, bad) {
      refuseBadInput(bad);
      return answerOf(
        facts,
        id,
        outputs,
        predictions,
        bad.flatMap(({ problems }) => problems),
      );
    },
  };
}

/**
 * Parameters of a request. Clients add their own (`priority`, `timeout`, `sequence_id`, custom ones), which are ignored
 * unless they are near a known one.
 */
function requestParameters(value: unknown): Readonly<Record<string, unknown>> {
  const parameters = asObject(value, 'parameters');
  for (const key of Object.keys(parameters)) {
    const fix = key === BINARY_OUTPUT ? undefined : didYouMean(key, [BINARY_OUTPUT]);
    if (fix !== undefined) throw refusal(400, { where: 'parameters', key, message: 'unknown key', fix });
  }
  return parameters;
}

/** The columns that the inputs are, and the rows of binary ones one behind the other. */
function readInputs(
  inputs: unknown,
  binary: Uint8Array,
  { inputs: columns }: ModelFacts,
  limits: BodyLimits,
): Readonly<Record<string, ArrayLike<Cell>>> {
  const names = columns.map(({ name }) => name);
  if (!Array.isArray(inputs) || inputs.length === 0)
    throw refusal(400, {
      where: 'inputs',
      message: `expected a list of tensors, one a column, found ${quoted(inputs)}`,
    });
  const read = new Map<string, readonly Cell[]>();
  let taken = 0;
  for (const [i, input] of (inputs as unknown[]).entries()) {
    const { name, shape, datatype, parameters, data } = known(input, `inputs[${i}]`, INPUT_KEYS);
    const column = columns.find((each) => each.name === name);
    if (typeof name !== 'string' || column === undefined) throw unknownName(`inputs[${i}].name`, name, names);
    const where = `inputs[${i}] (${quoted(name)})`;
    if (read.has(name)) throw refusal(400, { where, message: 'is there twice' });
    if (typeof datatype !== 'string' || !DATATYPES.includes(datatype))
      throw unknownName(`${where}.datatype`, datatype, DATATYPES);
    const [rows, width] = shapeOf(`${where}.shape`, shape, isList(column.holds), limits);
    const options = known(parameters ?? {}, `${where}.parameters`, ['binary_data_size', 'content_type']);
    const size = options['binary_data_size'];
    let cells: readonly Cell[];
    if (size === undefined) cells = jsonCells(`${where}.data`, datatype, data, rows * (width ?? 1));
    else {
      if (data !== undefined)
        throw refusal(400, { where, message: 'has data in JSON and in binary', fix: 'leave one of them out' });
      if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || taken + size > binary.length) {
        throw refusal(400, {
          where: `${where}.parameters.binary_data_size`,
          message: `expected a number of bytes behind the JSON, of which ${binary.length - taken} are left, found ${quoted(size)}`,
          fix: 'say where the JSON ends: the header Inference-Header-Content-Length',
        });
      }
      cells = binaryCells(where, datatype, binary.subarray(taken, taken + size), rows * (width ?? 1));
      taken += size;
    }
    if (column.holds === 'text' || column.holds === 'bag') cells = textCells(datatype, cells);
    if (column.holds === 'vector') read.set(name, vectorCells(cells, rows, width));
    else read.set(name, column.holds === 'bag' ? bagCells(where, cells, rows, width, options['content_type']) : cells);
  }
  if (taken < binary.length)
    throw refusal(400, {
      where: 'body',
      message: `${binary.length - taken} bytes behind the JSON belong to no tensor`,
      fix: 'give each its parameters.binary_data_size',
    });
  return Object.fromEntries(read);
}

/** Whether cells have several items. */
const isList = (holds: string): boolean => holds === 'bag' || holds === 'vector';

/** A vector a row: its numbers side by side; else a text, as a file has it. */
function vectorCells(cells: readonly Cell[], rows: number, width: number | undefined): readonly Cell[] {
  if (width === undefined) return cells;
  const isItem = (cell: Cell): cell is string | number | bigint =>
    typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'bigint';
  return Array.from({ length: rows }, (_, row) => cells.slice(row * width, (row + 1) * width).filter(isItem));
}

/** A bag a row: items side by side, filled up with '' or numbers below 0; else a text, as a file has it, or as JSON. */
function bagCells(
  where: string,
  cells: readonly Cell[],
  rows: number,
  width: number | undefined,
  contentType: unknown,
): readonly Cell[] {
  if (width !== undefined) {
    const isItem = (cell: Cell): cell is string | number | bigint =>
      cell !== '' && !(typeof cell !== 'string' && Number(cell) < 0);
    return Array.from({ length: rows }, (_, row) => cells.slice(row * width, (row + 1) * width).filter(isItem));
  }
  if (contentType === undefined) return cells;
  if (contentType !== 'json')
    throw refusal(400, {
      where: `${where}.parameters.content_type`,
      message: `expected "json", found ${quoted(contentType)}`,
    });
  return cells.map((cell, row) => {
    try {
      const items = JSON.parse(typeof cell === 'string' ? cell : '') as unknown;
      if (Array.isArray(items))
        return items.map((item: unknown) =>
          Array.isArray(item) ? { id: item[0] as string, weight: item[1] as number } : (item as Item),
        );
    } catch {
      // Told below.
    }
    throw refusal(400, {
      where: `${where}.data[${row}]`,
      message: `expected a list of items as JSON, found ${quoted(cell)}`,
    });
  });
}

/** Rows, and what lies beside each other in one where that is said. */
function shapeOf(
  where: string,
  shape: unknown,
  isBag: boolean,
  limits: BodyLimits,
): readonly [number, number | undefined] {
  const isShape =
    Array.isArray(shape) &&
    shape.length >= 1 &&
    shape.length <= 2 &&
    shape.every(
      (size: unknown) => typeof size === 'number' && Number.isInteger(size) && size >= 0 && size <= limits.bytes,
    );
  const [rows, width] = isShape ? (shape as [number, number?]) : [NaN];
  if (!isShape || (!isBag && width !== undefined && width !== 1)) {
    throw refusal(400, {
      where,
      message: `expected ${isBag ? '[rows], or [rows, items]' : '[rows] or [rows, 1]'}, found ${quoted(shape)}`,
    });
  }
  if (rows > limits.rows) throw tooManyRows(rows, limits.rows);
  return [rows, width];
}

function askedOutputs(outputs: unknown, isBinary: boolean, spaces: readonly string[]): readonly AskedOutput[] {
  if (outputs === undefined) return spaces.map((name) => ({ name, isBinary }));
  if (!Array.isArray(outputs))
    throw refusal(400, { where: 'outputs', message: `expected a list, found ${quoted(outputs)}` });
  return (outputs as unknown[]).map((output, i) => {
    const { name, parameters = {} } = known(output, `outputs[${i}]`, OUTPUT_KEYS);
    if (typeof name !== 'string' || !spaces.includes(name)) throw unknownName(`outputs[${i}].name`, name, spaces);
    return {
      name,
      isBinary: flag(
        known(parameters, `outputs[${i}].parameters`, ['binary_data']),
        'binary_data',
        `outputs[${i}].parameters`,
        isBinary,
      ),
    };
  });
}

/**
 * The answer: outputs as JSON, or behind it. A row without a finite prediction is null in JSON and NaN in binary; a
 * parameter says why.
 */
function answerOf(
  { name, version }: ModelFacts,
  id: string | undefined,
  outputs: readonly AskedOutput[],
  predictions: Predictions,
  problems: readonly Problem[],
): Answered {
  const rows = Object.values(predictions)[0]?.length ?? 0;
  const tensors = outputs.map((output) => {
    const about = `"name":${JSON.stringify(output.name)},"datatype":"FP32","shape":[${rows}]`;
    if (output.isBinary) return `{${about},"parameters":{"binary_data_size":${4 * rows}}}`;
    return `{${about},"data":[${Array.from(predictions[output.name]!, (value) => (Number.isNaN(value) ? 'null' : shortestDecimal(value))).join()}]}`;
  });
  const why =
    problems.length === 0 ? '' : `,"parameters":{"problems":${JSON.stringify(problems.map(problemLine).join('\n'))}}`;
  const json = `{"model_name":${JSON.stringify(name)},"model_version":"${version}"${id === undefined ? '' : `,"id":${JSON.stringify(id)}`}${why},"outputs":[${tensors.join()}]}`;
  const binary = outputs.filter(({ isBinary }) => isBinary);
  if (binary.length === 0) return { status: 200, body: json, rows };
  const jsonBytes = Buffer.byteLength(json);
  const body = new Uint8Array(jsonBytes + 4 * rows * binary.length);
  new TextEncoder().encodeInto(json, body);
  const view = new DataView(body.buffer);
  for (const [o, { name: space }] of binary.entries()) {
    for (const [row, value] of predictions[space]!.entries())
      view.setFloat32(jsonBytes + 4 * (o * rows + row), value, true);
  }
  return { status: 200, body, jsonBytes, rows };
}

function known(value: unknown, where: string, keys: readonly string[]): Readonly<Record<string, unknown>> {
  return withKeys(asObject(value, where), where, keys, (key) => didYouMean(key, keys));
}

function flag(parameters: Readonly<Record<string, unknown>>, key: string, where: string, otherwise = false): boolean {
  const value = parameters[key] ?? otherwise;
  if (typeof value !== 'boolean')
    throw refusal(400, { where, key, message: `expected true or false, found ${quoted(value)}` });
  return value;
}

function unknownName(where: string, name: unknown, names: readonly string[]): Error {
  const fix = typeof name === 'string' ? didYouMean(name, names) : undefined;
  return refusal(400, {
    where,
    message: `expected ${names.length > 40 ? `one of ${names.length} names that the metadata of the model has` : names.join(', ')}, found ${quoted(name)}`,
    ...(fix !== undefined && { fix }),
  });
}
