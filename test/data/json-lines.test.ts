/** @module-tag long */
import { gzipSync } from 'node:zlib';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { streamSource } from '../../src/data/readers/byte-source.js';
import { DataStream } from '../../src/data/readers/data-stream.js';
import type { DialectOptions } from '../../src/data/dialect.js';
import { openRows, openText } from '../../src/data/readers/open-rows.js';
import type { RejectPolicy } from '../../src/data/rows/rejects.js';
import { needsPython, python } from '../support/python.js';
import { readRows, withColumns, type ReadOptions } from '../support/read-rows.js';
import { scratchFile } from '../support/scratch.js';

async function read(
  content: string | Uint8Array,
  wanted: readonly string[],
  {
    dialect = {},
    keepsAll = false,
    chunkBytes,
    ...options
  }: ReadOptions & {
    dialect?: DialectOptions;
    keepsAll?: boolean;
    chunkBytes?: number;
  } = {},
): Promise<unknown[][]> {
  const path = scratchFile('data.jsonl', content);
  if (chunkBytes === undefined)
    return readRows(await openRows(path, wanted, dialect, new Map(), keepsAll), wanted, options);
  const { openJsonLines } = await import('../../src/data/readers/json-lines.js');
  const { fileSource } = await import('../../src/data/readers/byte-source.js');
  const csv = await openJsonLines(fileSource(path), dialect, { wanted, keepsAll }, chunkBytes);
  return readRows(withColumns(csv, wanted), wanted, options);
}

describe('JSON Lines', () => {
  it.each<[string, string, string[], unknown[][]]>([
    [
      'strings, numbers and booleans',
      '{"a":"x","b":1.5,"c":true}\n{"c":false,"b":-2,"a":""}\n',
      ['a', 'b', 'c'],
      [
        ['x', '1.5', 'true'],
        ['', '-2', 'false'],
      ],
    ],
    [
      'numbers in any notation',
      '{"a":1e3}\n{"a":1.0}\n{"a":12345678901234567890}\n{"a":-0}\n{"a":0.10}\n{"a":1E-400}\n',
      ['a'],
      [['1e3'], ['1.0'], ['12345678901234567890'], ['-0'], ['0.10'], ['1E-400']],
    ],
    [
      'null and missing keys',
      '{"a":null,"b":1}\n{"b":2}\n{}\n',
      ['a', 'b'],
      [
        ['', '1'],
        ['', '2'],
        ['', ''],
      ],
    ],
    [
      'nested objects',
      '{"u":{"id":7,"geo":{"city":"x"}},"i":1}\n{"u":null,"i":2}\n{"u":{"geo":{}},"i":3}\n' +
        '{"u.id":8,"u":{"geo.city":"y"},"i":4}\n',
      ['u.id', 'u.geo.city', 'i'],
      [
        ['7', 'x', '1'],
        ['', '', '2'],
        ['', '', '3'],
        ['8', 'y', '4'],
      ],
    ],
    [
      'other keys with any values',
      '{"x":[{"y":[]},{}, [1,"]}"]],"a":1,"z":"\\"}"}\n{"q":{"a":5},"a":2}\n',
      ['a'],
      [['1'], ['2']],
    ],
    [
      'spaces, empty lines and CRLF',
      '\n  {"a" : 1 ,\t"b":2}  \r\n\r\n \t \n{"b":4,"a":3}',
      ['a', 'b'],
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['escapes', '{"\\u0061":"\\u00e4\\n\\"\\\\\\/\\ud83d\\ude00","b":"ä"}\n', ['a', 'b'], [['ä\n"\\/😀', 'ä']]],
    ['a byte order mark', '\ufeff{"a":1}\n', ['a'], [['1']]],
    [
      'names of object properties',
      '{"__proto__":1,"constructor":2,"":3}\n',
      ['__proto__', 'constructor', ''],
      [['1', '2', '3']],
    ],
  ])('with %s are read', async (_, content, wanted, rows) => {
    expect(await read(content, wanted)).toEqual(rows);
    expect(await read(gzipSync(content), wanted)).toEqual(rows);
    for (const chunkBytes of [1, 5, 64]) expect(await read(content, wanted, { chunkBytes })).toEqual(rows);
  });

  it('have lists as bags, with or without weights', async () => {
    const content =
      '{"a":[1,"x|y",20]}\n{"a":[["p",0.5],{"id":"q","weight":2},{"id":7}]}\n{"a":[]}\n{"a":null}\n{"a":"1|2"}\n';
    expect(await read(content, ['a'], { lists: ['a'] })).toEqual([
      [['1', 'x|y', '20']],
      [[['p', 0.5], ['q', 2], '7']],
      [[]],
      [''],
      ['1|2'],
    ]);
  });

  it.each([
    '9007199254740993',
    '9007199254740991.4',
    '1e-400',
    '1.0',
    '1e2',
    '-0',
    '["b", 1], [1.0, 2]',
    '{"id": 1.0}',
    '{"weight": 1.5, "id": 1E2}',
  ])('reject a number for an id that is not plain digits: %s', async (item) => {
    await expect(read(`{"a":["1.0", ${item}]}\n`, ['a'], { lists: ['a'] })).rejects.toThrow(
      /data\.jsonl:1: column "a": expected JSON ids as strings, or as integers up to 2\^53 in plain digits, found .*; quote such ids/,
    );
  });

  it.each(['{"id": 1, "id": 2}', '{"id": 1, "weight": 1, "weight": 2}', '{"id": 1, "\\u0069d": 1}'])(
    'reject duplicate keys in a list item: %s',
    async (item) => {
      await expect(read(`{"a":[7, ${item}]}\n`, ['a'], { lists: ['a'] })).rejects.toThrow(
        /data\.jsonl:1: column "a": expected unique keys in each JSON item, found /,
      );
    },
  );

  it('have weights in any notation next to integer ids', async () => {
    const content = '{"a":[[-3, 1e0], [0, 0.5], {"weight": 2.5E-1, "id": 20}, {"id": "1.0"}, ["a,\\"b", 1.0]]}\n';
    expect(await read(content, ['a'], { lists: ['a'] })).toEqual([[['-3', ['0', 0.5], ['20', 0.25], '1.0', 'a,"b']]]);
  });

  it.each<[string, string, string[], RegExp]>([
    [
      'a list for one value',
      '{"a":1}\n\n{"a":[1]}\n',
      ['a'],
      /data\.jsonl:3: column "a": expected one value, not a list, found "\[1\]"/,
    ],
    [
      'an object for one value',
      '{"a":1}\n{"a":{"b":1}}\n',
      ['a'],
      /data\.jsonl:2: column "a": expected one value or a list, not an object, found .*; use a path into the object, for example user\.id/,
    ],
    [
      'a duplicate key',
      '{"a":1,"b":2}\n{"a":1,"a":1}\n',
      ['a'],
      /data\.jsonl:2: expected unique keys, found one twice, in column 11/,
    ],
    [
      'a duplicate key, as a path and as a name',
      '{"u":{"a":1},"u.a":2}\n',
      ['u.a'],
      /data\.jsonl:1: expected unique keys, found one twice/,
    ],
    [
      'a missing comma',
      '{"a":1}\n{"a":1 "b":2}\n',
      ['a'],
      /data\.jsonl:2: expected a comma or } after a value, in column 8; correct the row, or set data\.onBadRow/,
    ],
    ['a trailing comma', '{"a":1}\n{"a":1,}\n', ['a'], /data\.jsonl:2: expected a key in quotes, in column 8/],
    [
      'an invalid number',
      '{"a":1}\n{"a":01}\n',
      ['a'],
      /data\.jsonl:2: expected a number without leading zeros \(strings are quoted\), in column 6/,
    ],
    ['NaN', '{"a":1}\n{"a":NaN}\n', ['a'], /data\.jsonl:2: expected a value: a quoted string, .*, in column 6/],
    [
      'an unterminated string',
      '{"a":1}\n{"a":"x}\n',
      ['a'],
      /data\.jsonl:2: expected a quote that closes the string, in column 6/,
    ],
    [
      'an unterminated object',
      '{"a":1}\n{"a":1\n',
      ['a'],
      /data\.jsonl:2: expected a comma or } after a value, in column 7/,
    ],
    [
      'two objects on a line',
      '{"a":1}\n{"a":1}{"a":2}\n',
      ['a'],
      /data\.jsonl:2: expected the end of the line after the object, in column 8/,
    ],
    ['an array on a line', '{"a":1}\n[1]\n', ['a'], /data\.jsonl:2: expected an object in braces, in column 1/],
    ['a lone surrogate', '{"a":"\\ud83d"}\n', ['a'], /data\.jsonl:1: column "a": expected valid UTF-8/],
    [
      'deep nesting',
      `{"a":1}\n{"b":${'['.repeat(5000)}\n`,
      ['a'],
      /data\.jsonl:2: expected at most 200 levels of nesting/,
    ],
    [
      'a long line',
      `{"a":1}\n{"a":"${'x'.repeat(2_000_000)}"}\n`,
      ['a'],
      /data\.jsonl:2: expected a row of at most 1048576 bytes/,
    ],
    [
      'a long first line',
      `{"a":"${'中'.repeat(700_000)}"}\n{"a":1}\n`,
      ['a'],
      /data\.jsonl:1: a line exceeds the maximum of 1048576 bytes; write one object per line, with shorter lists/,
    ],
    [
      'one array of all objects',
      '[{"a":1},\n{"a":2}]\n',
      ['a'],
      /data\.jsonl: is a JSON array; expected one object per line; convert it: jq -c '\.\[\]' /,
    ],
    [
      'objects that span lines',
      '{\n  "a": 1\n}\n',
      ['a'],
      /data\.jsonl:1: expected one JSON object per line, found "\{"; if objects span lines, run: jq -c \. /,
    ],
    ['nothing', '\n\n', ['a'], /data\.jsonl: is empty/],
    [
      'a similar key',
      '{"user_id":1}\n{"item":2}\n',
      ['userid'],
      /data\.jsonl: column "userid": is used by the config, but is in none of the first 2 lines; did you mean 'user_id'\?/,
    ],
    [
      'no similar key',
      '{"user_id":1}\n',
      ['zzzzzz'],
      /found user_id; if later lines have it, set format: jsonl and list it in columns/,
    ],
  ])('with %s are rejected with the location', async (_, content, wanted, message) => {
    await expect(read(content, wanted)).rejects.toThrow(message);
    await expect(read(content, wanted)).rejects.toMatchObject({ exitCode: 3 });
  });

  it('with invalid lines are read without them, and each is reported once', async () => {
    const told: string[] = [];
    const policy: RejectPolicy = { count: 0, reject: ({ line, cells }) => void told.push(`${line} ${cells.join()}`) };
    expect(await read('{"a":1}\nx\n{"a":2}\n\n{"a":\n{"a":3}', ['a'], { policy })).toEqual([['1'], ['2'], ['3']]);
    expect(told).toEqual(['2 x', '5 {"a":']);
  });

  it('have keys of later lines if columns lists them', async () => {
    const content = `${'{"a":1}\n'.repeat(60_000)}{"a":2,"b":3}\n`;
    await expect(read(content, ['a', 'b'])).rejects.toThrow(
      /column "b": is used by the config, but is in none of the first \d+ lines/,
    );
    expect((await read(content, ['a', 'b'], { dialect: { format: 'jsonl', columns: ['b'] } })).at(-1)).toEqual([
      '2',
      '3',
    ]);
    // With keepsAll, a key that would be lost is an error.
    expect(await read(content, ['a'])).toHaveLength(60_001);
    await expect(read(content, ['a'], { keepsAll: true })).rejects.toThrow(
      /data\.jsonl:60001: expected only keys that the first lines have, found "b"; set format: jsonl and list it in data\.columns, in column 8/,
    );
  });

  it('are detected by file name or first character', async () => {
    const open = async (name: string, content: string, options: DialectOptions = {}): Promise<string> =>
      (await openRows(scratchFile(name, content), [], options)).csv.kind;
    const json = ' {"a":1}\n';
    expect(await open('data.ndjson', json)).toBe('JSON Lines');
    expect(await open('data', json)).toBe('JSON Lines');
    expect(await open('data.log', `\ufeff${json}`)).toBe('JSON Lines');
    expect(await open('data.csv', '{a,b\n')).toBe('CSV');
    expect(await open('data', '{a,b\n', { format: 'csv' })).toBe('CSV');
    expect(await open('data', 'a,b\n')).toBe('CSV');
    await expect(open('data.json', '[{"a":1}]')).rejects.toThrow('is a JSON array');
    const stream = await openText(
      streamSource(new DataStream('-', Readable.from([Buffer.from(' '), Buffer.from('{"a":1}\n{"a":2}')]))),
      {},
      { wanted: ['a'] },
    );
    expect(await readRows(withColumns(stream, ['a']), ['a'])).toEqual([['1'], ['2']]);
  });

  it('equal the result of JSON.parse, or are rejected like it', async () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd.e', 'é', '"', 'a\n');
    const value = fc.oneof(
      fc.string({ unit: fc.constantFrom('x', '"', '\\', '\n', 'ü', '😀', '\u2028', '\u0001', '/', ' '), maxLength: 5 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.maxSafeInteger(),
      fc.constantFrom(null, true, false, 0, -1, 1e21),
    );
    const object = fc.dictionary(
      key,
      fc.oneof(
        { weight: 5, arbitrary: value },
        { weight: 1, arbitrary: fc.array(value, { maxLength: 3 }) },
        { weight: 1, arbitrary: fc.dictionary(fc.constantFrom('e', 'x'), value) },
      ),
      { maxKeys: 5 },
    );
    const change = fc.option(
      fc.record({
        at: fc.nat(200),
        byte: fc.constantFrom(...Buffer.from('{}[],:"\\01e.-tn \t\x01')),
        isCut: fc.boolean(),
      }),
      { freq: 2 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ object, change, blanks: fc.constantFrom(undefined, 1, '\t') }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.integer({ min: 1, max: 100 }),
        async (all, chunkBytes) => {
          const lines = all.map(({ object: each, change: changed, blanks }) => {
            const bytes = Buffer.from(JSON.stringify(each, null, blanks).replaceAll('\n', ' '));
            if (changed === null) return bytes;
            return changed.isCut
              ? bytes.subarray(0, changed.at)
              : Buffer.concat([bytes.subarray(0, changed.at), Buffer.of(changed.byte), bytes.subarray(changed.at + 1)]);
          });
          const wanted = ['a', 'b', 'c', 'é'];
          const first = '{"a":0,"b":0,"c":0,"é":0}';
          const told: number[] = [];
          const policy: RejectPolicy = { count: 0, reject: ({ line }) => void told.push(line) };
          const rows = (
            await read(
              Buffer.concat([Buffer.from(`${first}\n`), ...lines.flatMap((line) => [line, Buffer.from('\n')])]),
              wanted,
              { policy, chunkBytes },
            )
          ).slice(1);
          const expected: unknown[][] = [];
          const refused: number[] = [];
          for (const [i, line] of lines.entries()) {
            if (line.toString().trim() === '') continue;
            const parsed = ((): unknown => {
              try {
                return JSON.parse(line.toString());
              } catch {
                return undefined;
              }
            })();
            const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
            const cells = isObject
              ? wanted.map((name) =>
                  Object.hasOwn(parsed, name) ? ((parsed as Record<string, unknown>)[name] ?? '') : '',
                )
              : [];
            // Half a surrogate pair is not valid text.
            if (
              !isObject ||
              cells.some((cell) => typeof cell === 'object' || (typeof cell === 'string' && cell.includes('\ufffd')))
            )
              refused.push(i + 2);
            else expected.push(cells);
          }
          // Only mtl rejects duplicate keys.
          const extra = told.filter((line) => !refused.includes(line));
          for (const line of extra) expect(() => checkOnce(lines[line - 2]!.toString(), wanted)).toThrow();
          expect(told.filter((line) => refused.includes(line))).toEqual(refused);
          if (extra.length > 0) return;
          expect(
            rows.map((row, r) =>
              row.map((cell, c) =>
                typeof expected[r]![c] === 'string' ? cell : (JSON.parse(cell as string) as unknown),
              ),
            ),
          ).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('equal what Python reads', async (test) => {
    needsPython(test, 'json');
    const lines = [
      '{"a": 1.50, "b": "x"}',
      '{"a": 123456789012345678901234567890, "b": "\\u00fc\\ud83d\\ude00"}',
      '{"b": null, "a": true}',
      '{"a": -1e-7, "c": [1, {"a": 2}]}',
      '{"a": "\\t", "b": "{}"}',
      '{"\\u0061": 5}',
    ];
    const script = `import json, sys
def text(value):
    return '' if value is None else str(value).lower() if isinstance(value, bool) else str(value)
rows = [json.loads(line, parse_float=str, parse_int=str) for line in json.loads(sys.argv[1])]
print(json.dumps([[text(row.get('a')), text(row.get('b'))] for row in rows]))`;
    expect(await read(`${lines.join('\n')}\n`, ['a', 'b'])).toEqual(
      JSON.parse(python('.', script, [JSON.stringify(lines)])),
    );
  });
});

/** @throws {Error} if an object has one of the keys twice */
function checkOnce(line: string, keys: readonly string[]): void {
  for (const key of keys) {
    const marks = line.split(`"${key}"`).length - 1;
    if (marks > 1) throw new Error(key);
  }
}
