import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { tableTensor } from '../../src/engines/engine.js';
import { formats, formatSpec } from '../../src/export/formats.js';
import { withWidePart } from '../../src/tables/layout.js';
import type { HostTensor } from '../../src/core/tensor.js';
import { exportedTables, TOKENS } from '../support/exported-tables.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

const write = (out: string, asked: object = {}, model = exportedTables()): Promise<readonly string[]> =>
  formats.build(formatSpec('embeddings', { ...asked }), model, out).write();
const lines = (path: string): string[][] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));

describe('mtl export --format embeddings', () => {
  it('writes each table once as Parquet, in row order, with the names of its rows', async () => {
    const out = join(scratchFolder(), 'tables');
    await write(out);
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(join(out, 'word.parquet')) });
    expect(rows.map(({ row, name, means }) => [row, name, means] as unknown[])).toEqual([
      [0, 'unknown', 'unknown'],
      ...TOKENS.map((token, i) => [i + 1, token, 'token']),
    ]);
    expect(rows.map(({ embedding }) => embedding as number[])).toEqual(
      rows.map((_, row) => [Math.fround((2 * row - 1) / 3), Math.fround((2 * row) / 3)]),
    );
    const ids = await parquetReadObjects({ file: await asyncBufferFromFile(join(out, 'id%2F%C3%84.parquet')) });
    expect(ids.map(({ name, means }) => [name, means] as unknown[])).toEqual([
      ['0', 'unknown'],
      ['1', 'id'],
      ['2', 'id'],
    ]);
    const list = JSON.parse(readFileSync(join(out, 'tables.json'), 'utf8')) as { tables: object[]; files: string[] };
    expect(list).toMatchObject({
      model: 'test',
      step: 2,
      checkpoint: 'ab',
      tables: [
        { name: 'word', rows: 9, width: 2, fields: ['word', 'words'], parquet: 'word.parquet' },
        { name: 'id/Ä', rows: 3, width: 1 },
      ],
    });
    expect([...list.files].sort()).toEqual(readdirSync(out).sort());
  });

  it('names the rows of wide tables by the ids of their field', async () => {
    const out = join(scratchFolder(), 'tables');
    const model = exportedTables();
    const layout = withWidePart(model.layout, { width: 1 });
    const weights = new Map<string, HostTensor>([
      ...model.weights,
      ...layout.tables
        .filter(({ idsOf }) => idsOf !== undefined)
        .map(
          ({ name, rows, width }) =>
            [tableTensor(name), { shape: [rows, width], data: new Float32Array(rows * width) }] as const,
        ),
    ]);
    await write(out, {}, { ...model, layout, weights });
    const list = JSON.parse(readFileSync(join(out, 'tables.json'), 'utf8')) as {
      tables: { name: string; fields: string[] }[];
    };
    expect(list.tables.map(({ name, fields }) => [name, fields])).toEqual([
      ['word', ['word', 'words']],
      ['id/Ä', ['id/Ä']],
      ['wide.word', ['word']],
      ['wide.words', ['words']],
      ['wide.id/Ä', ['id/Ä']],
    ]);
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(join(out, 'wide%2Ewords.parquet')) });
    expect(rows.map(({ name }) => name as string)).toEqual(['unknown', ...TOKENS]);
  });

  it("writes the TSV files of TensorBoard's projector: a line per row for any token, and exact numbers", async () => {
    const out = join(scratchFolder(), 'tables');
    const model = exportedTables();
    await write(out, { files: 'projector' }, model);
    expect(readdirSync(out).filter((name) => name.endsWith('.parquet'))).toEqual([]);
    const metadata = lines(join(out, 'word.metadata.tsv'));
    expect(metadata.map(([, name]) => name)).toEqual([
      'name',
      'unknown',
      'a',
      ' b\\t',
      'c\\nd',
      'e\\\\t',
      '"f"',
      '',
      'ü 漢',
      '\\u2028',
    ]);
    expect(metadata.map(({ length }) => length)).toEqual(metadata.map(() => 3));
    const vectors = lines(join(out, 'word.vectors.tsv')).flat();
    expect(Float32Array.from(vectors, Number)).toEqual(model.weights.get(tableTensor('word'))!.data);
    expect(readFileSync(join(out, 'projector_config.pbtxt'), 'utf8')).toContain(
      'embeddings {\n  tensor_name: "id/Ä"\n  tensor_path: "id%2F%C3%84.vectors.tsv"\n' +
        '  metadata_path: "id%2F%C3%84.metadata.tsv"\n}\n',
    );
  });

  it('is read by pyarrow, and its config by protobuf, if a table name has quotes and line breaks', async (context) => {
    needsPython(context, 'pyarrow', 'google.protobuf');
    const out = join(scratchFolder(), 'tables');
    await write(out, {}, exportedTables(TOKENS, ['word', 'say "\\\n']));
    const script = `
import json, pyarrow.parquet as pq
from google.protobuf import descriptor_pb2 as d, descriptor_pool, message_factory, text_format
file = d.FileDescriptorProto(name='p.proto', package='p')
info = file.message_type.add(name='Info')
for i, name in enumerate(['tensor_name', 'metadata_path']): info.field.add(name=name, number=i + 1, type=9, label=1)
info.field.add(name='tensor_path', number=7, type=9, label=1)
file.message_type.add(name='Config').field.add(name='embeddings', number=2, type=11, label=3, type_name='.p.Info')
pool = descriptor_pool.DescriptorPool(); pool.Add(file)
config = message_factory.GetMessageClass(pool.FindMessageTypeByName('p.Config'))()
text_format.Parse(open('projector_config.pbtxt').read(), config)
table = pq.read_table('word.parquet').to_pydict()
print(json.dumps([[each.tensor_name for each in config.embeddings], table['name'], table['embedding'][1]]))`;
    expect(JSON.parse(python(out, script))).toEqual([
      ['word', 'say "\\\n'],
      ['unknown', ...TOKENS],
      [Math.fround(1 / 3), Math.fround(2 / 3)],
    ]);
  });

  it('uses unique file names for long names, names that differ in case only, and devices of Windows', async () => {
    const out = join(scratchFolder(), 'tables');
    const long = 'x'.repeat(400);
    await write(out, { files: 'parquet' }, exportedTables(TOKENS, ['A', 'a']));
    expect(readdirSync(out).sort()).toEqual(['A.parquet', 'a~2.parquet', 'tables.json']);
    await write(out, { files: 'parquet' }, exportedTables(TOKENS, ['aux', 'COM1']));
    expect(readdirSync(out).sort()).toEqual(['COM1~.parquet', 'aux~.parquet', 'tables.json']);
    await write(out, { files: 'parquet' }, exportedTables(TOKENS, [long, `${long}y`]));
    expect(readdirSync(out)).toHaveLength(3);
  });

  it('replaces a previous export, but no directory with other files', async () => {
    const place = scratchFolder();
    const out = join(place, 'tables');
    await write(out);
    await write(out, { files: 'parquet' }, exportedTables(['z']));
    expect(readdirSync(out)).toHaveLength(3);
    expect(readdirSync(place)).toEqual(['tables']);
    writeFileSync(join(out, 'notes.txt'), 'mine');
    await expect(write(out)).rejects.toThrow(
      'tables: contains "notes.txt", which is not from an export of embeddings; use a new directory',
    );
    const empty = join(place, 'empty');
    mkdirSync(empty);
    await write(empty);
    expect(statSync(join(empty, 'word.parquet')).size).toBeGreaterThan(0);
  });

  it('writes large tables in pieces', async () => {
    const out = join(scratchFolder(), 'tables');
    const tokens = Array.from({ length: 9000 }, (_, i) => `t${i}`);
    await write(out, {}, exportedTables(tokens));
    expect(
      lines(join(out, 'word.metadata.tsv'))
        .slice(1)
        .map(([, name]) => name),
    ).toEqual(['unknown', ...tokens]);
    expect(
      await parquetReadObjects({ file: await asyncBufferFromFile(join(out, 'word.parquet')), rowStart: 9000 }),
    ).toMatchObject([{ row: 9000, name: 't8999' }]);
  });
});
