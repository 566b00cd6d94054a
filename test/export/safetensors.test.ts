import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formats, formatSpec } from '../../src/export/formats.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { exportedTables, TOKENS } from '../support/exported-tables.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

const write = (path: string, asked: Readonly<Record<string, unknown>> = {}): Promise<readonly string[]> =>
  formats.build(formatSpec('safetensors', asked), exportedTables(), path).write();

describe('mtl export --format safetensors', () => {
  it('writes tables and vocabularies by field name, and encoding rules in the header', async () => {
    const path = join(scratchFolder(), 'model.safetensors');
    expect(await write(path)).toEqual([path]);
    const tensors = await readSafetensors(path);
    expect([...tensors].map(([name, { shape }]) => [name, ...shape])).toEqual([
      ['embeddings.word', 9, 2],
      ['embeddings.id/Ä', 3, 1],
      ['vocabularies.word.offsets', 9],
      ['vocabularies.word.bytes', Buffer.byteLength(TOKENS.join(''))],
    ]);
    const text = Buffer.from(tensors.get('vocabularies.word.bytes')!.data).toString();
    expect(text).toBe(TOKENS.join(''));
    const header = readFileSync(path, 'latin1');
    expect(header).toContain('"mtl.checkpoint":"ab"');
  });

  it('with int8 has a scale per row and approximates the table', async () => {
    const path = join(scratchFolder(), 'model.safetensors');
    await write(path, { quantize: 'int8' });
    const tensors = await readSafetensors(path);
    const [values, scales] = ['embeddings.word', 'embeddings.word.scales'].map((name) => tensors.get(name)!.data);
    expect(values).toBeInstanceOf(Int8Array);
    expect(values).toHaveLength(18);
    for (let i = 0; i < 18; i++)
      expect(Math.abs(values![i]! * scales![i >> 1]! - (i - 1) / 3)).toBeLessThan(scales![i >> 1]! / 2 + 1e-6);
  });

  it('is read by safetensors in Python, with vocabularies, rules and predictions', async (context) => {
    needsPython(context, 'safetensors', 'numpy');
    const cwd = scratchFolder();
    await write(join(cwd, 'model.safetensors'));
    await write(join(cwd, 'small.safetensors'), { quantize: 'int8' });
    const script = `
import json
from safetensors import safe_open
with safe_open('model.safetensors', 'numpy') as f:
    offsets, text = f.get_tensor('vocabularies.word.offsets'), f.get_tensor('vocabularies.word.bytes').tobytes()
    fields = json.loads(f.metadata()['mtl.features'])
    words = [text[a:b].decode() for a, b in zip(offsets, offsets[1:])]
    table = f.get_tensor('embeddings.word')
with safe_open('small.safetensors', 'numpy') as f:
    small = f.get_tensor('embeddings.word') * f.get_tensor('embeddings.word.scales')[:, None]
names, distance = [each['name'] for each in fields], float(abs(table - small).max())
print(json.dumps([words, names, fields[0]['rule'], fields[1]['form'], distance]))`;
    const [words, names, rule, form, distance] = JSON.parse(python(cwd, script)) as [
      string[],
      string[],
      object,
      object,
      number,
    ];
    expect([words, names]).toEqual([TOKENS, ['word', 'words', 'id/Ä']]);
    expect(rule).toEqual({ kind: 'text', texts: 8, empty: 0, cells: 1 });
    expect(form).toEqual({ format: 'auto', items: '|', weight: ':', negative: 'refused' });
    expect(distance).toBeLessThan(0.03);
  });
});
