import { toBatch } from '../support/batches.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { column, type ArrayColumn } from '../../src/core/batch.js';
import { rowsOfColumns } from '../../src/data/objects/given-rows.js';
import { ObjectReader } from '../../src/data/objects/object-reader.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat, type EncodedFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { BadValue, type Field } from '../../src/features/feature.js';
import { encodedFields, featureTypes, computeLayout } from '../../src/features/feature-types.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { taskOptions } from '../../src/core/tasks.js';
import { engines } from '../support/engines.js';
import { fieldOf } from '../support/fitted-field.js';
import { scratchFolder } from '../support/scratch.js';

const f32 = (...values: number[]): number[] => [...Float32Array.from(values)];

/** A field of vectors, fitted on cells. */
function fitted(
  spec: object,
  cells: readonly string[],
): { readonly field: Field & { kind: 'vector' }; readonly encode: (cell: string) => number[]; readonly width: number } {
  const field = fieldOf({ type: 'vector', ...spec });
  if (field.kind !== 'vector') throw new Error('no vector');
  const fit = field.startFit?.();
  for (const cell of cells) {
    const values = Array.from(field.split(cell));
    fit?.vector?.check(values);
    fit?.vector?.observe(values);
  }
  const [{ vector, width }] = encodedFields(
    [field],
    fit === undefined ? {} : { f: JSON.parse(JSON.stringify(fit.finish())) as unknown },
  ) as [ReturnType<typeof encodedFields>[number]];
  const encode = (cell: string): number[] => {
    const into = new Float32Array(width + 1);
    vector!.encode(field.split(cell), into, 1);
    return [...into.subarray(1)];
  };
  return { field, encode, width };
}

describe('a vector', () => {
  it.each(['0.1|-2|3e-1', '[0.1, -2, 3e-1]', '[0.1 -2  3e-1]', '[ 0.1,-2 , 3e-1 ]', ' 0.1 | -2|3e-1'])(
    'is a list of numbers, as %j',
    (cell) => {
      const { encode, width } = fitted({}, [cell]);
      expect([width, encode(cell)]).toEqual([3, f32(0.1, -2, 0.3)]);
    },
  );

  it('rejects mixed commas and spaces in brackets, which indicate decimal commas', () => {
    expect(() => fitted({}, ['[0,5 0,25]'])).toThrow(BadValue);
  });

  it('has the length of the training set, or a configured one without a fit', () => {
    expect(fitted({}, ['1|2', '3|4']).width).toBe(2);
    expect(fieldOf({ type: 'vector', length: 3 }).startFit).toBeUndefined();
    expect(fitted({ length: 3, separator: ';' }, []).encode('1;2;3')).toEqual([1, 2, 3]);
  });

  it.each([
    [{}, '1|2', ['3|4', '1|2|3'], /2 numbers, as in other rows, found 3/],
    [{ length: 3 }, '', ['1|2'], /3 numbers, as in other rows, found 2/],
    [{}, '1|2', ['1|x'], /a decimal number in every element/],
    [{}, '1|2', ['1|'], /a decimal number in every element/],
    [{}, '1|2', ['1|nan'], /a decimal number in every element/],
    [{}, '1|2', ['1|1e39'], /a decimal number in every element/],
    [{}, '1|2', [''], /a list of numbers/],
    [{}, '1|2', ['[]'], /a list of numbers/],
    [{ scaling: 'log1p' }, '1|2', ['1|-1'], /above -1/],
  ])('%j after %j rejects %j', (spec, first, cells, message) => {
    const train = first === '' ? [] : [first];
    expect(() => fitted(spec, [...train, ...cells]).encode(cells.at(-1)!)).toThrow(message);
    const { encode } = fitted(spec, train);
    expect(() => encode(cells.at(-1)!)).toThrow(BadValue);
  });

  it('is scaled per element', () => {
    const { encode } = fitted({ scaling: 'standard' }, ['1|10', '3|30']);
    expect([encode('1|10'), encode('3|20')]).toEqual([
      [-1, -1],
      [1, 0],
    ]);
    expect(fitted({ scaling: ['log1p', 'min-max'] }, ['0|1', '1|3']).encode('1|1')).toEqual([1, 0]);
  });

  it('that is missing is filled before scaling, with an optional indicator element', () => {
    expect(fitted({ fillMissing: 'mean' }, ['1|10', '', '3|20']).encode('')).toEqual([2, 15]);
    expect(fitted({ fillMissing: 'zero', length: 2 }, []).encode('')).toEqual([0, 0]);
    const { encode, width } = fitted({ fillMissing: 'mean', scaling: 'standard', indicator: true }, [
      '1|10',
      '',
      '3|30',
    ]);
    expect([width, encode(''), encode('3|30')]).toEqual([3, [0, 0, 1], [1, 1, 0]]);
  });

  it('without values in the training set is an error that names the field', () => {
    expect(() => fitted({ fillMissing: 'mean' }, ['', ''])).toThrow(
      /field 'f': has no list of numbers in the training set/,
    );
  });

  it('rejects incompatible options', () => {
    expect(() => featureTypes.schema.parse({ type: 'vector', fields: ['f'], indicator: true })).toThrow(
      /requires a fill for missing values, which are an error here/,
    );
    expect(() =>
      featureTypes.schema.parse({ type: 'vector', fields: ['f'], scaling: ['standard', 'min-max'] }),
    ).toThrow(/undoes/);
  });
});

describe('vectors in files', () => {
  const groups = [
    featureTypes.schema.parse({
      type: 'vector',
      fields: ['emb'],
      scaling: 'standard',
      fillMissing: 'zero',
      indicator: true,
    }),
  ];
  const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
  const format = createRowFormat({ tasks, groups });
  const numbers = Array.from({ length: 50 }, (_, r) => (r === 7 ? undefined : f32(r / 3, Math.sin(r), -r * r)));
  const click = numbers.map((_, r) => r % 2);

  const read = async (
    path: string,
    ready?: EncodedFormat,
  ): Promise<{ readonly ready: EncodedFormat; readonly vectors: ArrayColumn<'f32'>; readonly click: number[] }> => {
    const source = await openSource(path, dataColumns(format), {});
    const reading = { policy: refuseBadRows, cache: { folder: join(scratchFolder(), 'cache') } };
    const encoded = ready ?? encodedFormat(format, await source.fit(format, reading));
    const dataset = await source.dataset(encoded, reading);
    const found: number[] = [];
    const labels: number[] = [];
    // Several batches, the last of them short, and shuffled rows that come back in their order.
    for await (const { batch } of dataset.batches(8)) {
      found.push(...column(batch, 'emb', 'f32').data);
      labels.push(...column(batch, 'click', 'f32').data);
    }
    return {
      ready: encoded,
      vectors: { type: 'f32', width: batchWidth(encoded), data: Float32Array.from(found) },
      click: labels,
    };
  };
  const batchWidth = (ready: EncodedFormat): number => computeLayout(ready.fields).width;
  const csvFile = (text: (values: readonly number[]) => string): string => {
    const path = join(scratchFolder(), 'rows.csv');
    writeFileSync(
      path,
      ['click,emb', ...numbers.map((values, r) => `${click[r]},${values === undefined ? '' : text(values)}`), ''].join(
        '\n',
      ),
    );
    return path;
  };

  it('are equal from CSV, Parquet and a program', async () => {
    const { ready, vectors, click: labels } = await read(csvFile((values) => values.join('|')));
    expect([vectors.width, vectors.data.length, labels]).toEqual([4, 200, click]);
    expect([...vectors.data.subarray(28, 32)].map((value) => Number.isFinite(value))).toEqual([true, true, true, true]);
    expect(Array.from({ length: 50 }, (_, r) => vectors.data[r * 4 + 3])).toEqual(
      numbers.map((values) => Number(values === undefined)),
    );

    for (const quoted of [
      (values: readonly number[]) => JSON.stringify(JSON.stringify(values)),
      (values: readonly number[]) => `[${values.join(' ')}]`,
    ]) {
      expect((await read(csvFile(quoted))).vectors).toEqual(vectors);
    }
    const lines = join(scratchFolder(), 'rows.jsonl');
    writeFileSync(
      lines,
      numbers.map((values, r) => `${JSON.stringify({ click: click[r], emb: values ?? null })}\n`).join(''),
    );
    expect((await read(lines)).vectors).toEqual(vectors);
    const parquet = join(scratchFolder(), 'rows.parquet');
    const schema = [
      { name: 'root', num_children: 2 },
      { name: 'click', type: 'INT32' as const, repetition_type: 'REQUIRED' as const },
      { name: 'emb', repetition_type: 'OPTIONAL' as const, converted_type: 'LIST' as const, num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED' as const, num_children: 1 },
      { name: 'element', type: 'FLOAT' as const, repetition_type: 'OPTIONAL' as const },
    ];
    writeFileSync(
      parquet,
      Buffer.from(
        parquetWriteBuffer({
          columnData: [
            { name: 'click', data: click },
            { name: 'emb', data: numbers.map((values) => values ?? null) },
          ],
          schema,
        }),
      ),
    );
    const fromParquet = await read(parquet);
    expect(fromParquet.vectors).toEqual(vectors);
    expect(fromParquet.ready.fitted).toEqual(ready.fitted);
    // Where the column is kept beside predictions, it is written as what is read again.
    const keptLists: string[] = [];
    const source = await openSource(parquet, dataColumns(format), {});
    for await (const { kept } of source.stream(ready, ['emb'], { policy: refuseBadRows })) keptLists.push(...kept[0]!);
    expect(keptLists[numbers.findIndex((values) => values === undefined)]).toBe('[]');
    expect(
      (await read(csvFile((values) => JSON.stringify(keptLists[numbers.findIndex((each) => each === values)]))))
        .vectors,
    ).toEqual(vectors);

    for (const given of [
      numbers,
      numbers.map((values) => values && Float32Array.from(values)),
      numbers.map((values) => values?.join('|')),
    ]) {
      const { batches, problems } = new ObjectReader(ready.fields).read(rowsOfColumns({ emb: given }));
      const { batch } = [...batches][0]!;
      expect(problems.list()).toEqual([]);
      expect(column(batch, 'emb', 'f32').data.subarray(0, 200)).toEqual(vectors.data);
    }
  });

  it('are equal if rows are shuffled and if another thread encodes them', async () => {
    const source = await openSource(
      csvFile((values) => values.join('|')),
      dataColumns(format),
      {},
    );
    const reading = { policy: refuseBadRows, cache: { folder: join(scratchFolder(), 'cache') } };
    const ready = encodedFormat(format, await source.fit(format, reading));
    const { vectors } = await read(source.path, ready);
    const dataset = await source.dataset(ready, reading);
    const seen = new Set<string>();
    for await (const { batch } of dataset.batches(16, { seed: 1, epoch: 1, window: 32 })) {
      for (let r = 0; r < batch.rows; r++)
        seen.add(
          String([
            column(batch, 'click', 'f32').data[r],
            ...column(batch, 'emb', 'f32').data.subarray(r * 4, r * 4 + 4),
          ]),
        );
    }
    expect(seen).toEqual(new Set(click.map((label, r) => String([label, ...vectors.data.subarray(r * 4, r * 4 + 4)]))));
    const streamed: number[] = [];
    for await (const { batch, kept } of source.stream(ready, ['emb'], { ...reading, threads: 3 })) {
      streamed.push(...column(batch, 'emb', 'f32').data.subarray(0, batch.rows * 4));
      expect(kept[0]![0]).toBe(numbers[0]!.join('|'));
    }
    expect(Float32Array.from(streamed)).toEqual(vectors.data);
  });

  it('are equal from shards and from a file', async () => {
    const { createRowBlock } = await import('../../src/chunks/row-block.js');
    const { writeShards } = await import('../../src/data/shards/writer.js');
    const columns = [
      { name: 'click', kind: 'label' },
      { name: 'emb', kind: 'vector', width: 3 },
    ] as const;
    const whole = numbers.map((values) => values ?? [0, 0, 0]);
    const block = createRowBlock(columns, 50);
    block.rows = 50;
    column(block, 'click', 'f32').data.set(click);
    column(block, 'emb', 'f32').data.set(whole.flat());
    const folder = join(scratchFolder(), 'shards');
    await writeShards(
      folder,
      columns,
      async (writer) => {
        await writer.add(block);
        return { sizes: new Map() };
      },
      16,
    );
    expect(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'))).toMatchObject({
      columns: [{ kind: 'label' }, { name: 'emb', kind: 'vector', width: 3 }],
    });
    const path = join(scratchFolder(), 'whole.csv');
    writeFileSync(path, ['click,emb', ...whole.map((values, r) => `${click[r]},${values.join('|')}`), ''].join('\n'));
    const [fromShards, fromCsv] = [await read(folder), await read(path)];
    expect(fromShards.vectors).toEqual(fromCsv.vectors);
    expect(fromShards.ready.fitted).toEqual(fromCsv.ready.fitted);
  });

  it('of another length are rejected with their line', async () => {
    const path = join(scratchFolder(), 'rows.csv');
    writeFileSync(path, 'click,emb\n1,1|2\n0,1|2|3\n');
    await expect(read(path)).rejects.toThrow(
      /rows\.csv:3: column "emb": expected 2 numbers, as in other rows, found 3/,
    );
  });
});

describe.each(engines)('vectors in a model of engine $name', ({ create }) => {
  it('equals separate numeric fields', async () => {
    const g = new GraphBuilder();
    const x = g.input({ kind: 'features', begin: 0 }, 4);
    const y = g.input({ kind: 'label', column: 'y' }, 1);
    const z = g.linear(x, 1, 'main');
    const graph = {
      values: g.values,
      parameters: g.parameters,
      terms: [{ name: 't', loss: g.squaredError(z, y), weight: 1 }],
      predictions: new Map([['main', z]]),
    };
    const optimizers = { dense: denseOptimizers.schema.parse({}), embeddings: embeddingOptimizerSchema.parse({}) };
    const [rows, random] = [70, randomStream(1, 'rows')];
    const columns = Array.from({ length: 4 }, () => Float32Array.from({ length: rows }, () => random.normal()));
    const labels = new Map([['y', Float32Array.from({ length: rows }, () => random.normal())]]);
    const place = (field: string, offset: number, width: number) => ({
      field,
      offset,
      width,
      kind: width > 1 ? ('vector' as const) : ('number' as const),
    });
    const numbers = new Map(columns.map((data, i) => [`x${i}`, data]));
    const data = Float32Array.from({ length: 3 * rows }, (_, i) => columns[1 + (i % 3)]![Math.floor(i / 3)]!);
    const batch = toBatch({ rows, numbers, labels, vectors: new Map([['v', { width: 3, data }]]) });
    const engine = await create();
    const [apart, together] = [
      [0, 1, 2, 3].map((i) => place(`x${i}`, i, 1)),
      [place('x0', 0, 1), place('v', 1, 3)],
    ].map((layout) => {
      const program = engine.compile({ graph, layout: { width: 4, tables: [], columns: layout }, optimizers, seed: 1 });
      return program;
    });
    for (let step = 0; step < 3; step++)
      expect(await together!.trainStep(batch)).toEqual(await apart!.trainStep(batch));
    const [a, b] = [await apart!.predict(batch), await together!.predict(batch)];
    expect([...b.get('main')!]).toEqual([...a.get('main')!]);
    for (const program of [apart, together]) program!.dispose();
  });
});
