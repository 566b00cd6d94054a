/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config/load.js';
import { parseOverride } from '../src/config/overrides.js';
import { openCsv } from '../src/data/readers/csv.js';
import { problemLine, UserError } from '../src/core/errors.js';
import { MANIFEST, readManifest } from '../src/runs/manifest.js';
import { readSafetensors, writeSafetensors } from '../src/io/safetensors.js';
import { scratchFolder } from './support/scratch.js';

// What comes from outside may be anything. It is read, or refused in words; nothing else happens.

const RUNS = Number(process.env['MTL_FUZZ_RUNS'] ?? 150);
const builtIns = [Object.prototype, Array.prototype, Function.prototype];
const names = (): PropertyKey[][] => builtIns.map((object) => Reflect.ownKeys(object));
const before = names();
afterAll(() => expect(names()).toEqual(before));

/** Does something that may fail as a user's error of this exit code, and in no other way. */
async function readsOrRefuses(exitCode: number, read: () => unknown): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.exitCode).toBe(exitCode);
    expect(error.problems.map(problemLine).join('\n')).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
  }
}

/** A text or bytes with some pieces taken out, put in, or doubled. */
const edits = (pieces: fc.Arbitrary<string>) =>
  fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), remove: fc.nat(12), insert: pieces }), {
    minLength: 1,
    maxLength: 4,
  });
function edited(text: string, changes: readonly { at: number; remove: number; insert: string }[]): string {
  return changes.reduce((result, { at, remove, insert }) => {
    const index = Math.floor(at * result.length);
    return result.slice(0, index) + insert + result.slice(index + remove);
  }, text);
}

describe('a config of any text', () => {
  const valid = readFileSync(join(import.meta.dirname, '..', 'configs', 'mmoe.yaml'), 'utf8');
  const yaml = fc.oneof(
    fc.constantFrom(
      '&a ',
      '*a',
      '<<: *a\n',
      '!!js/function ',
      '!!binary ',
      '? ',
      '- ',
      ': ',
      '{',
      '}',
      '[',
      ']',
      '|\n',
      '>-\n',
      '%YAML 1.1\n',
      '---\n',
      '...\n',
      '\t',
      '\r',
      '\u0000',
      '\u001b[2J',
      '\u202e',
      '"',
      "'",
      '__proto__: ',
      'constructor: ',
      'toString: ',
      '~',
      '.nan',
      '.inf',
      '1e999',
      '-0',
      '0o17',
      '0x1f',
      '\ufeff',
      '# ',
      '\ud800',
    ),
    fc.string(),
  );

  it('is read or refused', async () => {
    await fc.assert(
      fc.asyncProperty(edits(yaml), (changes) =>
        readsOrRefuses(2, () => parseConfig(edited(valid, changes), 'x.yaml')),
      ),
      { numRuns: 2 * RUNS },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(yaml), (pieces) => readsOrRefuses(2, () => parseConfig(pieces.join(''), 'x.yaml'))),
      { numRuns: RUNS },
    );
  });

  it('is read or refused with any --set', async () => {
    const key = fc.oneof(
      fc.constantFrom(
        'training',
        'model',
        'features',
        'epochs',
        '__proto__',
        'constructor',
        'prototype',
        'hasOwnProperty',
        '0',
        'user',
        'fields',
      ),
      fc.string(),
    );
    const override = fc
      .tuple(fc.array(key, { maxLength: 4 }), fc.oneof(yaml, fc.json()))
      .map(([path, value]) => `${path.join('.')}=${value}`);
    await fc.assert(
      fc.asyncProperty(override, (text) =>
        readsOrRefuses(2, () => parseConfig(valid, 'x.yaml', [parseOverride(text)])),
      ),
      { numRuns: 2 * RUNS },
    );
  });

  // Errors of each kind that YAML 1.2 knows, as its test suite has them.
  it.each([
    ['a flow list that is not closed', 'a: [b, c'],
    ['a flow map that is not closed', 'a: {b: c'],
    ['a closing bracket alone', 'a: ]'],
    ['two commas', 'a: [b, , c]'],
    ['a quote that is not closed', 'a: "b'],
    ['an escape that is none', 'a: "\\q"'],
    ['text behind a quoted one', 'a: "b" c'],
    ['a map on the line of a key', 'a: b: c'],
    ['a list on the line of a key', 'a: - b'],
    ['less indentation than the first line', '  a: b\n c: d'],
    ['more indentation than its neighbors', 'a: b\n  c: d'],
    ['a list among keys', 'a: b\n- c'],
    ['a key among items', '- a\nb: c'],
    ['two anchors on one value', 'a: &x &y b'],
    ['an anchor on an alias', 'a: &x b\nc: &y *x'],
    ['two tags on one value', 'a: !!str !!int b'],
    ['a tag of no handle', 'a: !x!y b'],
    ['a block header that is none', 'a: |x\n b'],
    ['a directive without a document', '%YAML 1.2\n'],
    ['the same directive twice', '%YAML 1.2\n%YAML 1.2\n---\na: b'],
    ['a directive behind content', 'a: b\n%YAML 1.2\n---\nc: d'],
    ['a comment without a space', 'a: "b"#c'],
    ['a tab for indentation', 'a:\n\tb: c'],
    ['a reserved indicator', 'a: @b'],
    ['a reserved backtick', 'a: `b'],
    ['a key of several lines', 'a\nb: c'],
    ['a document end with content', 'a: b\n... c'],
  ])('with %s is refused with its line', (_, text) => {
    expect(() => parseConfig(text, 'x.yaml')).toThrow(UserError);
    expect(() => parseConfig(text, 'x.yaml')).toThrow(/^x\.yaml:\d+:\d+: /);
  });

  it('with a name that drives a terminal shows it as text', () => {
    const text =
      'data: { train: a.csv }\nfeatures: { "\\e[31mred\\u202E": { type: categorical, fields: [a] } }\n' +
      'tasks: { ctr: { label: b } }\nmodel: { name: mmoe }\n';
    try {
      parseConfig(text, 'x.yaml');
      expect.unreachable();
    } catch (error) {
      const line = (error as UserError).problems.map(problemLine).join('\n');
      expect(line).toContain('features.\\x1b[31mred\\u202e');
    }
  });
});

describe('a safetensors file of any bytes', () => {
  it('is read or refused', async () => {
    const path = join(scratchFolder(), 'x.safetensors');
    await writeSafetensors(
      path,
      new Map([
        ['a', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
        ['b', { shape: [3], data: Uint32Array.of(1, 2, 3) }],
      ]),
    );
    const valid = readFileSync(path, 'latin1');
    const read = async (bytes: Buffer): Promise<void> => {
      writeFileSync(path, bytes);
      await readsOrRefuses(4, () => readSafetensors(path));
    };
    const number = fc.oneof(fc.integer({ min: -2, max: 40 }), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53, 1e300, 0.5));
    const entry = fc.record({
      dtype: fc.constantFrom('F32', 'U8', 'BF16', '__proto__', 'constructor'),
      shape: fc.array(number, { maxLength: 3 }),
      data_offsets: fc.array(number, { minLength: 1, maxLength: 3 }),
    });
    const headers = fc
      .dictionary(
        fc.constantFrom('a', 'b', '__metadata__', '__proto__', 'constructor', ''),
        fc.oneof(entry, fc.jsonValue()),
      )
      .map((header) => JSON.stringify(header));
    const withHeader = (header: string, data: number): Buffer => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
      return Buffer.concat([length, Buffer.from(header), Buffer.alloc(data)]);
    };
    await fc.assert(
      fc.asyncProperty(edits(fc.string({ unit: 'binary' })), (changes) =>
        read(Buffer.from(edited(valid, changes), 'latin1')),
      ),
      { numRuns: RUNS },
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(headers, fc.json()), fc.nat(40), (header, data) => read(withHeader(header, data))),
      { numRuns: 2 * RUNS },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), (bytes) => read(Buffer.from(bytes))),
      { numRuns: RUNS },
    );
  });
});

describe('a manifest of any text', () => {
  it('is refused', async () => {
    const folder = scratchFolder();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.json().map((json) => `{"formatVersion":2,"files":${json}}`),
        ),
        async (text) => {
          writeFileSync(join(folder, MANIFEST), text);
          await expect(readManifest(folder)).rejects.toMatchObject({ exitCode: 4 });
        },
      ),
      { numRuns: RUNS },
    );
  });
});

describe('a CSV of any bytes', () => {
  it('is read or refused', async () => {
    const path = join(scratchFolder(), 'x.csv');
    const piece = fc.oneof(
      fc.constantFrom(
        '"',
        ',',
        '\n',
        '\r\n',
        '\r',
        '\ufeff',
        '\u0000',
        '""',
        '\u001f\u008b',
        '1,2\n',
        '\u001b[2J',
        'ü',
      ),
      fc.string(),
    );
    const read = async (bytes: Buffer): Promise<void> => {
      writeFileSync(path, bytes);
      await readsOrRefuses(3, async () => {
        for await (const { progress } of (await openCsv(path, {}, [], 64)).pieces())
          expect(progress).toBeLessThanOrEqual(1);
      });
    };
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), (pieces) => read(Buffer.from(`a,b\n${pieces.join('')}`))),
      { numRuns: RUNS },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), (pieces) => read(Buffer.from(pieces.join(''), 'latin1'))),
      { numRuns: RUNS },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) => read(Buffer.from(bytes))),
      { numRuns: RUNS },
    );
  });
});
