import { describe, expect, it } from 'vitest';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { openGrowingFiles } from '../../src/data/streams/growing-files.js';
import { SchemaWatch, type SchemaChange } from '../../src/data/streams/schema-watch.js';
import { scratchFolder } from '../support/scratch.js';

/** Writes files and returns the changes that a watch finds in them. */
async function changesOf(files: Readonly<Record<string, string>>): Promise<readonly SchemaChange[]> {
  const folder = scratchFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const stream = openGrowingFiles(folder, { columns: ['id', 'price'], dialect: {} });
  const watch = new SchemaWatch();
  const changes: SchemaChange[] = [];
  const signal = new AbortController().signal;
  for await (const chunk of stream.read({ from: undefined, endsWhenEmpty: true, signal, onWarning: () => undefined })) {
    const change = watch.observe(chunk);
    if (change !== undefined) changes.push({ ...change, path: change.path.slice(folder.length + 1) });
  }
  return changes;
}

describe('the columns of a stream', () => {
  it('may change between CSV files', async () => {
    const changes = await changesOf({
      'a.csv': 'id,price,old\n1,2,3\n',
      'b.csv': 'price,new,id\n1,2,3\n',
      'c.csv': 'price,new,id\n1,2,3\n',
    });
    expect(changes).toEqual([{ path: 'b.csv', line: 2, added: ['new'], removed: ['old'] }]);
  });

  it('may appear in JSON, whose absent keys are missing values', async () => {
    const changes = await changesOf({
      'a.jsonl': '{"id":1,"price":1}\n',
      'b.jsonl': '{"id":1,"user":{"age":1}}\n',
      'c.jsonl': '{"id":1,"price":1}\n',
    });
    expect(changes).toEqual([{ path: 'b.jsonl', line: 1, added: ['user.age'], removed: [] }]);
  });

  it('may lose all values', async () => {
    const lines = (text: string): string => `${text}\n`.repeat(100);
    const changes = await changesOf({
      'a.jsonl': lines('{"id":1,"price":1}'),
      'b.jsonl': lines('{"id":1}'),
      'c.jsonl': lines('{"id":1}'),
    });
    expect(changes).toEqual([{ path: 'b.jsonl', line: 1, added: [], removed: ['price'] }]);
  });
});
