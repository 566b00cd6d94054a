import type { Value, Item } from '../data/objects/value-column.js';
import { shortestDecimal } from '../text/float-text.js';
import { rowsOfColumns } from '../data/objects/given-rows.js';
import { didYouMean, problemLine, quoted, type Problem } from '../core/errors.js';
import { listRequired } from '../trained-model/counted-inputs.js';
import type { Predictions } from '../trained-model/load-model.js';
import { asObject, parseJsonBody, refuseRowCount, assertKeys } from './body.js';
import { rejectInvalidInput, type GivenRequest } from './given-request.js';
import type { Answered, BodyKind, BodyLimits, ModelFacts } from './messages.js';
import { refusal, refuseVersion } from './refusal.js';
import { decodeBinary, DATATYPES, readJsonElements, toStringCells } from './tensor-data.js';

// Inference requests of the Open Inference Protocol v2
// (https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol) with its binary tensor
// extension.

// KServe's SDK repeats the model name of the path.
const REQUEST_KEYS = ['id', 'model_name', 'model_version', 'parameters', 'inputs', 'outputs'];
const INPUT_KEYS = ['name', 'shape', 'datatype', 'parameters', 'data'];
/** Parameter that requests all outputs in binary. */
const BINARY_OUTPUT = 'binary_data_output';
const OUTPUT_KEYS = ['name', 'parameters'];

interface RequestedOutput {
  readonly name: string;
  readonly isBinary: boolean;
}

/**
 * Parses columns as tensors: `{"inputs": [{"name": "101", "shape": [2], "datatype": "INT64", "data": [413, 414]}, …]}`.
 * @throws Refusal, or UserError (data)
 */
export function readTensorsRequest(
  body: Uint8Array,
  { jsonBytes = body.length, onMissing, version }: BodyKind,
  facts: ModelFacts,
  limits: BodyLimits,
): GivenRequest {
  if (jsonBytes > body.length)
    throw refusal(400, {
      where: 'inference-header-content-length',
      message: `declares ${jsonBytes} bytes of JSON, but the body has ${body.length}`,
    });
  const request = checkKeys(parseJsonBody(body.subarray(0, jsonBytes)), 'body', REQUEST_KEYS);
  const { id } = request;
  if (id !== undefined && typeof id !== 'string')
    throw refusal(400, { where: 'id', message: `expected a string, found ${quoted(id)}` });
  const parameters = parseParameters(request['parameters'] ?? {});
  const outputs = parseOutputs(request['outputs'], parseFlag(parameters, BINARY_OUTPUT, 'parameters'), facts.outputs);
  const columns = readInputs(request['inputs'], body.subarray(jsonBytes), facts, limits);
  return {
    rows: rowsOfColumns(columns, onMissing === 'error' ? listRequired(facts.inputs) : undefined, 'inputs'),
    answer(current, predictions, bad) {
      if (version !== undefined && version !== current.version) throw refuseVersion(current, version);
      rejectInvalidInput(bad);
      return buildAnswer(
        current,
        id,
        outputs,
        predictions,
        bad.flatMap(({ problems }) => problems),
      );
    },
  };
}

/**
 * Parses request parameters. Clients add their own (`priority`, `timeout`, `sequence_id`, custom ones), which are
 * ignored unless they resemble a known one.
 */
function parseParameters(value: unknown): Readonly<Record<string, unknown>> {
  const parameters = asObject(value, 'parameters');
  for (const key of Object.keys(parameters)) {
    const fix = key === BINARY_OUTPUT ? undefined : didYouMean(key, [BINARY_OUTPUT]);
    if (fix !== undefined) throw refusal(400, { where: 'parameters', key, message: 'unknown key', fix });
  }
  return parameters;
}

/** Reads inputs as columns; binary tensors follow the JSON in order. */
function readInputs(
  inputs: unknown,
  binary: Uint8Array,
  { inputs: columns }: ModelFacts,
  limits: BodyLimits,
): Readonly<Record<string, ArrayLike<Value>>> {
  const names = columns.map(({ name }) => name);
  if (!Array.isArray(inputs) || inputs.length === 0)
    throw refusal(400, {
      where: 'inputs',
      message: `expected a list of tensors, one per column, found ${quoted(inputs)}`,
    });
  const read = new Map<string, readonly Value[]>();
  let offset = 0;
  for (const [i, input] of (inputs as unknown[]).entries()) {
    const { name, shape, datatype, parameters, data } = checkKeys(input, `inputs[${i}]`, INPUT_KEYS);
    const column = columns.find((each) => each.name === name);
    if (typeof name !== 'string' || column === undefined) throw refuseName(`inputs[${i}].name`, name, names);
    const where = `inputs[${i}] (${quoted(name)})`;
    if (read.has(name)) throw refusal(400, { where, message: 'duplicate input' });
    if (typeof datatype !== 'string' || !DATATYPES.includes(datatype))
      throw refuseName(`${where}.datatype`, datatype, DATATYPES);
    const [rows, width] = parseShape(`${where}.shape`, shape, hasItems(column.holds), limits);
    const options = checkKeys(parameters ?? {}, `${where}.parameters`, ['binary_data_size', 'content_type']);
    const size = options['binary_data_size'];
    let cells: readonly Value[];
    if (size === undefined) cells = readJsonElements(`${where}.data`, datatype, data, rows * (width ?? 1));
    else {
      if (data !== undefined)
        throw refusal(400, { where, message: 'has data in both JSON and binary', fix: 'remove one of them' });
      const own = takeBytes(`${where}.parameters.binary_data_size`, binary.subarray(offset), size);
      cells = decodeBinary(where, datatype, own, rows * (width ?? 1));
      offset += own.length;
    }
    if (column.holds === 'text' || column.holds === 'bag') cells = toStringCells(datatype, cells);
    if (column.holds === 'vector') read.set(name, toVectors(cells, rows, width));
    else if (column.holds !== 'bag') read.set(name, cells);
    else
      read.set(
        name,
        width === undefined
          ? toLists(where, cells, options['content_type'], column.isAligned === true)
          : splitRows(cells, rows, width).map(column.isAligned === true ? withoutEnd : withoutPadding),
      );
  }
  if (offset < binary.length)
    throw refusal(400, {
      where: 'body',
      message: `${binary.length - offset} bytes after the JSON belong to no tensor`,
      fix: 'set parameters.binary_data_size of each binary tensor',
    });
  return Object.fromEntries(read);
}

/** Returns the first `size` of the bytes that are left. */
function takeBytes(where: string, left: Uint8Array, size: unknown): Uint8Array {
  if (typeof size === 'number' && Number.isInteger(size) && size >= 0 && size <= left.length)
    return left.subarray(0, size);
  throw refusal(400, {
    where,
    message: `expected a number of bytes after the JSON, of which ${left.length} are left, found ${quoted(size)}`,
    fix: 'set the length of the JSON in the header Inference-Header-Content-Length',
  });
}

/** Whether values have several items. */
const hasItems = (holds: string): boolean => holds === 'bag' || holds === 'vector';

/** Splits elements into one vector per row; without a width, each element is a string as in a file. */
function toVectors(cells: readonly Value[], rows: number, width: number | undefined): readonly Value[] {
  return width === undefined ? cells : splitRows(cells, rows, width);
}

/** Splits elements into rows of equal width. */
function splitRows(cells: readonly Value[], rows: number, width: number): readonly (readonly Item[])[] {
  const isItem = (cell: Value): cell is string | number | bigint =>
    typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'bigint';
  return Array.from({ length: rows }, (_, row) => cells.slice(row * width, (row + 1) * width).filter(isItem));
}

/** Returns whether an element is padding: '' or a negative number. */
function isPadding(item: Item): boolean {
  return item === '' || (typeof item !== 'string' && Number(item) < 0);
}

function withoutPadding(items: readonly Item[]): readonly Item[] {
  return items.filter((item) => !isPadding(item));
}

/** Removes padding at the end only, since aligned lists may have missing items. */
function withoutEnd(items: readonly Item[]): readonly Item[] {
  return items.slice(0, items.findLastIndex((item) => !isPadding(item)) + 1);
}

/**
 * Returns the strings of one list per row: as in a file, or JSON.
 * @param isAligned whether a list within a list has the values of an item; otherwise, an id and its weight
 */
function toLists(where: string, cells: readonly Value[], contentType: unknown, isAligned: boolean): readonly Value[] {
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
          Array.isArray(item) && !isAligned ? { id: item[0] as string, weight: item[1] as number } : (item as Item),
        );
    } catch {
      // Reported below.
    }
    throw refusal(400, {
      where: `${where}.data[${row}]`,
      message: `expected a list of items as JSON, found ${quoted(cell)}`,
    });
  });
}

/** Parses a shape: rows, and items per row if given. */
function parseShape(
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
  if (rows > limits.rows) throw refuseRowCount(rows, limits.rows);
  return [rows, width];
}

function parseOutputs(requested: unknown, isBinary: boolean, outputs: readonly string[]): readonly RequestedOutput[] {
  if (requested === undefined) return outputs.map((name) => ({ name, isBinary }));
  if (!Array.isArray(requested))
    throw refusal(400, { where: 'outputs', message: `expected a list, found ${quoted(requested)}` });
  return (requested as unknown[]).map((output, i) => {
    const { name, parameters = {} } = checkKeys(output, `outputs[${i}]`, OUTPUT_KEYS);
    if (typeof name !== 'string' || !outputs.includes(name)) throw refuseName(`outputs[${i}].name`, name, outputs);
    return {
      name,
      isBinary: parseFlag(
        checkKeys(parameters, `outputs[${i}].parameters`, ['binary_data']),
        'binary_data',
        `outputs[${i}].parameters`,
        isBinary,
      ),
    };
  });
}

/**
 * Builds the response: outputs as JSON, or in binary after it. A row without a finite prediction is null in JSON and
 * NaN in binary; a parameter has the reason.
 */
function buildAnswer(
  { name, version }: ModelFacts,
  id: string | undefined,
  outputs: readonly RequestedOutput[],
  predictions: Predictions,
  problems: readonly Problem[],
): Answered {
  const rows = Object.values(predictions)[0]?.length ?? 0;
  const tensors = outputs.map((output) => {
    const about = `"name":${JSON.stringify(output.name)},"datatype":"FP32","shape":[${rows}]`;
    if (output.isBinary) return `{${about},"parameters":{"binary_data_size":${4 * rows}}}`;
    const values = Array.from(predictions[output.name]!, (value) =>
      Number.isNaN(value) ? 'null' : shortestDecimal(value),
    );
    return `{${about},"data":[${values.join()}]}`;
  });
  const problemsJson =
    problems.length === 0 ? '' : `,"parameters":{"problems":${JSON.stringify(problems.map(problemLine).join('\n'))}}`;
  const idJson = id === undefined ? '' : `,"id":${JSON.stringify(id)}`;
  const model = `"model_name":${JSON.stringify(name)},"model_version":"${version}"`;
  const json = `{${model}${idJson}${problemsJson},"outputs":[${tensors.join()}]}`;
  const binary = outputs.filter(({ isBinary }) => isBinary);
  if (binary.length === 0) return { status: 200, body: json, rows };
  const jsonBytes = Buffer.byteLength(json);
  const body = new Uint8Array(jsonBytes + 4 * rows * binary.length);
  new TextEncoder().encodeInto(json, body);
  const view = new DataView(body.buffer);
  for (const [o, { name: output }] of binary.entries()) {
    for (const [row, value] of predictions[output]!.entries())
      view.setFloat32(jsonBytes + 4 * (o * rows + row), value, true);
  }
  return { status: 200, body, jsonBytes, rows };
}

function checkKeys(value: unknown, where: string, keys: readonly string[]): Readonly<Record<string, unknown>> {
  return assertKeys(asObject(value, where), where, keys, (key) => didYouMean(key, keys));
}

function parseFlag(
  parameters: Readonly<Record<string, unknown>>,
  key: string,
  where: string,
  fallback = false,
): boolean {
  const value = parameters[key] ?? fallback;
  if (typeof value !== 'boolean')
    throw refusal(400, { where, key, message: `expected true or false, found ${quoted(value)}` });
  return value;
}

function refuseName(where: string, name: unknown, names: readonly string[]): Error {
  const fix = typeof name === 'string' ? didYouMean(name, names) : undefined;
  return refusal(400, {
    where,
    message:
      'expected ' +
      `${names.length > 40 ? `one of the ${names.length} names in the model metadata` : names.join(', ')}, ` +
      `found ${quoted(name)}`,
    ...(fix !== undefined && { fix }),
  });
}
