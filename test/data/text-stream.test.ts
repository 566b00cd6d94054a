import { spawnSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TextEncoding } from '../../src/data/dialect.js';
import { textStream } from '../../src/data/readers/text-stream.js';
import { needsPython, python } from '../support/python.js';
import { scratchFile } from '../support/scratch.js';
import { storedFrame } from '../support/zstd-frame.js';

/** Decodes a stream of these bytes in chunks of `pieceBytes`. */
async function textOf(bytes: Uint8Array, encoding?: TextEncoding, pieceBytes = 7): Promise<string> {
  const pieces = function* (): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  };
  const parts: Buffer[] = [];
  for await (const part of textStream(
    'data.csv',
    (async function* () {
      yield* pieces();
      await Promise.resolve();
    })(),
    encoding,
  ))
    parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString('utf8');
}

const TEXT = `a,b\n${Array.from({ length: 60 }, (_, i) => `${i},${i % 7}\n`).join('')}`;
// Output of zstd -19, version 1.5: a compressed block and a checksum.
const ZSTD = Buffer.from(
  'KLUv/WQmALUEAGaSJA7ApcX+zW2NSGR3kXDAMB8AIAAfAM43yjaKa7xptGesZaQDZ0B5KBbep23WJU3OoywOCwG0lHNAygApHuQtSPvI2ki6y' +
    'JlIeUixkHcw2sBYj5EWE59JmzmXKZMpHvMW0w7KGijpUc6ilK8UW3lXaVNZTxnWwUkD5zxOWZziO2877TprOuk5ZznlwBQD5j1MW5gVAJkFq3' +
    '0=',
  'base64',
);

/** A skippable frame. */
const SKIPPED = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

describe('zstd text', () => {
  it.each([1, 2, 7, 100, 10_000])('is read in chunks of %i bytes', async (pieceBytes) => {
    expect(await textOf(ZSTD, undefined, pieceBytes)).toBe(TEXT);
  });

  it('may have several frames and skippable frames', async () => {
    const stored = await storedFrame([Buffer.from('c'), { byte: 100, times: 50 }, Buffer.alloc(0)]);
    expect(await textOf(Buffer.concat([SKIPPED, ZSTD, SKIPPED, stored, stored]))).toBe(
      TEXT + `c${'d'.repeat(50)}`.repeat(2),
    );
  });

  it('may be UTF-16', async () => {
    expect(await textOf(await storedFrame([Buffer.from('\ufeffä', 'utf16le')]))).toBe('ä');
  });

  it.each([1, 4, 5, 6, 10, 20, 40, ZSTD.length - 5, ZSTD.length - 1])(
    'that ends after %i bytes is reported as truncated',
    async (length) => {
      if (length >= 4)
        await expect(textOf(ZSTD.subarray(0, length))).rejects.toThrow(
          /^data\.csv: is truncated: the zstd data ends early, before byte \d+$/,
        );
      await expect(textOf(Buffer.concat([ZSTD, ZSTD.subarray(0, length)]))).rejects.toThrow(
        /^data\.csv: is truncated: the zstd data ends early, before byte \d+$/,
      );
    },
  );

  it('with a changed bit is rejected or unchanged', async () => {
    for (let at = 4; at < ZSTD.length; at++) {
      for (const bit of [1, 16, 128]) {
        const bytes = Buffer.from(ZSTD);
        bytes[at]! ^= bit;
        const read = await textOf(bytes).catch((error: unknown) => String(error).replace('UserError: ', ''));
        expect([TEXT, 'data.csv: ']).toContain(read === TEXT ? TEXT : read.slice(0, 10));
      }
    }
  });

  it.each<[string, Buffer | Promise<Buffer>, RegExp]>([
    [
      'trailing data',
      Buffer.concat([ZSTD, Buffer.from('1,2\n')]),
      /is damaged: invalid data follows a zstd frame, before byte \d+$/,
    ],
    [
      'a large window',
      storedFrame([Buffer.from('a')], { window: (20 << 3) + 1 }),
      /requires a window of 1207959552 bytes, more than the maximum of 134217728, before byte 6; compress it without --long/,
    ],
    [
      'a dictionary',
      storedFrame([Buffer.from('a')], { dictionary: 7 }),
      /requires a zstd dictionary, before byte 7; unpack it/,
    ],
  ])('with %s is rejected', async (_, bytes, message) => {
    await expect(textOf(await bytes)).rejects.toThrow(message);
    await expect(textOf(await bytes)).rejects.toMatchObject({ exitCode: 3 });
  });

  it('reads the output of the zstd command', { tags: ['long'] }, async ({ skip }) => {
    if (spawnSync('zstd', ['--version']).error !== undefined) skip('there is no command zstd');
    const text = Array.from({ length: 40_000 }, (_, i) => `${(i * 2_654_435_761) % 2 ** 32},${i}\n`).join('');
    for (const options of [['-1'], ['-19'], ['--ultra', '-22'], ['--no-check'], ['--fast=5'], ['-3', '--long=24']]) {
      const { stdout } = spawnSync('zstd', ['-q', '-c', ...options], { input: text, maxBuffer: 1e8 });
      expect(await textOf(stdout, undefined, 10_000)).toBe(text);
    }
  });
});

describe('text in an unsupported archive', () => {
  it.each([
    [
      'PK\x03\x04abcdef',
      /data\.csv: is a ZIP archive or an \.xlsx workbook; expected plain text, gzip or zstd; save a workbook as CSV; unpack an archive with: unzip -p data\.csv > /,
    ],
    ['\xfd7zXZ\0abcdef', /is compressed with xz; .*; unpack it: xz -d data\.csv$/],
    ['BZh91AY&SY', /is compressed with bzip2/],
  ])('is rejected with how to unpack it: %j', async (bytes, message) => {
    await expect(textOf(Buffer.from(bytes, 'latin1'))).rejects.toThrow(message);
  });
});

/** Single-byte encodings, with their Python names. */
const ONE_BYTE = {
  'windows-1250': 'cp1250',
  'windows-1251': 'cp1251',
  'windows-1252': 'cp1252',
  'iso-8859-2': 'iso8859-2',
  'iso-8859-15': 'iso8859-15',
  'koi8-r': 'koi8-r',
} as const;
/** Bytes without a character in Python. */
const NO_CHARACTERS: Readonly<Partial<Record<TextEncoding, readonly number[]>>> = {
  'windows-1250': [0x81, 0x83, 0x88, 0x90, 0x98],
  'windows-1251': [0x98],
  'windows-1252': [0x81, 0x8d, 0x8f, 0x90, 0x9d],
};

/** Decodes each byte of an encoding; null if rejected. */
async function charactersOf(encoding: TextEncoding): Promise<(string | null)[]> {
  const bytes = Array.from({ length: 256 }, (_, byte) => Buffer.of(byte));
  return Promise.all(bytes.map((byte) => textOf(byte, encoding).catch(() => null)));
}

describe('single-byte encoding', () => {
  it.each(Object.keys(ONE_BYTE) as (keyof typeof ONE_BYTE)[])(
    'rejects bytes without a character: %s',
    async (encoding) => {
      const characters = await charactersOf(encoding);
      expect([...characters.keys()].filter((byte) => characters[byte] === null)).toEqual(NO_CHARACTERS[encoding] ?? []);
    },
  );

  it('has the characters of Python', async (context) => {
    needsPython(context);
    const script = `
import json, sys
def character(byte, name):
    try:
        return bytes([byte]).decode(name)
    except UnicodeDecodeError:
        return None
print(json.dumps([[character(byte, name) for byte in range(256)] for name in json.loads(sys.argv[1])]))`;
    const found = JSON.parse(python('.', script, [JSON.stringify(Object.values(ONE_BYTE))])) as unknown;
    const own = await Promise.all((Object.keys(ONE_BYTE) as TextEncoding[]).map(charactersOf));
    expect(own).toEqual(found);
  });
});

describe('text in another encoding', () => {
  const text = 'größe,€ „x“\n東京,1\n';

  it.each<[string, Buffer, TextEncoding | undefined]>([
    ['UTF-16 by its mark', Buffer.from(`\ufeff${text}😀`, 'utf16le'), undefined],
    ['big-endian UTF-16 by its mark', Buffer.from(`\ufeff${text}😀`, 'utf16le').swap16(), undefined],
    ['UTF-16 without a mark', Buffer.from(`${text}😀`, 'utf16le'), 'utf-16le'],
    ['UTF-16 with a mark and the matching encoding', Buffer.from(`\ufeff${text}😀`, 'utf16le').swap16(), 'utf-16be'],
  ])('is read: %s', async (_, bytes, encoding) => {
    for (const pieceBytes of [1, 3, 1000]) expect(await textOf(bytes, encoding, pieceBytes)).toBe(`${text}😀`);
    expect(await textOf(gzipSync(bytes), encoding)).toBe(`${text}😀`);
  });

  it('preserves the byte order mark of UTF-8', async () => {
    expect(await textOf(Buffer.from('\ufeffä'), 'utf-8')).toBe('\ufeffä');
  });

  it.each<[string, Buffer, TextEncoding | undefined, RegExp]>([
    [
      'another mark than the encoding',
      Buffer.from('\ufeffa', 'utf16le'),
      'latin1',
      /^data\.csv: begins with the byte order mark of utf-16le, but data\.encoding is latin1; remove data\.encoding$/,
    ],
    [
      'a lone surrogate',
      Buffer.from('\ufeffa\nb\ud83db', 'utf16le'),
      undefined,
      /^data\.csv:2: contains bytes that are not valid utf-16le/,
    ],
    [
      'an odd byte',
      Buffer.from('a\0b\0\n\0c', 'latin1'),
      'utf-16le',
      /^data\.csv:2: ends in the middle of a utf-16le character/,
    ],
    [
      '€ of Windows in latin1',
      Buffer.from('a\nb\x80', 'latin1'),
      'latin1',
      /^data\.csv:2: contains bytes that are not valid latin1; set data\.encoding: windows-1252: a control character is in place of €, „ or “$/,
    ],
    [
      'a byte without a character',
      Buffer.from('a\n\nb\x81', 'latin1'),
      'windows-1252',
      /^data\.csv:3: contains bytes that are not valid windows-1252; set data\.encoding to the file's encoding$/,
    ],
    [
      'a byte without a Cyrillic character',
      Buffer.from('a\n\nb\x98', 'latin1'),
      'windows-1251',
      /^data\.csv:3: contains bytes that are not valid windows-1251; set data\.encoding to the file's encoding$/,
    ],
    [
      'a truncated character',
      Buffer.from([97, 10, 0xb6]),
      'gbk',
      /^data\.csv:2: ends in the middle of a gbk character/,
    ],
  ])('with %s is rejected', async (_, bytes, encoding, message) => {
    for (const pieceBytes of [1, 1000]) await expect(textOf(bytes, encoding, pieceBytes)).rejects.toThrow(message);
  });

  it('of latin1 is decoded byte by byte', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({
          unit: fc
            .integer({ min: 0, max: 255 })
            .filter((code) => code < 128 || code > 159)
            .map((code) => String.fromCharCode(code)),
        }),
        async (latin) => {
          expect(await textOf(Buffer.from(`a,${latin}`, 'latin1'), 'latin1')).toBe(`a,${latin}`);
        },
      ),
    );
  });

  it('equals what Python encoded', async (test) => {
    needsPython(test, 'json');
    const names: Partial<Record<TextEncoding, string>> = {
      'windows-1252': 'cp1252',
      'windows-1250': 'cp1250',
      'windows-1251': 'cp1251',
      'iso-8859-2': 'iso8859-2',
      'iso-8859-15': 'iso8859-15',
      'koi8-r': 'koi8-r',
      gbk: 'gbk',
      gb18030: 'gb18030',
    };
    const script = `import json, sys
texts = ['größe; naïve', '€uro „quoted“ – x', 'Москва, Россия', 'Łódź žluťoučký', '北京市 东京 中文', 'plain']
found = []
for name, codec in json.loads(sys.argv[1]).items():
    for text in texts:
        if text == text.encode(codec, 'ignore').decode(codec): found.append([name, text, text.encode(codec).hex()])
print(json.dumps(found))`;
    const cases = JSON.parse(python('.', script, [JSON.stringify(names)])) as [TextEncoding, string, string][];
    expect(new Set(cases.filter(([, text]) => text !== 'plain').map(([name]) => name))).toEqual(
      new Set(Object.keys(names)),
    );
    for (const [name, text, hex] of cases)
      expect([name, await textOf(Buffer.from(hex, 'hex'), name, 3)]).toEqual([name, text]);
  });

  it('is read from a file with its rows', async () => {
    const { openCsv } = await import('../../src/data/readers/csv.js');
    const csv = await openCsv(scratchFile('data.csv', Buffer.from('größe,b\n1,€\n'.replace('€', '\x80'), 'latin1')), {
      encoding: 'windows-1252',
    });
    const rows: string[] = [];
    for await (const piece of csv.pieces()) if ('bytes' in piece) rows.push(piece.bytes.toString('utf8'));
    expect([csv.header, rows]).toEqual([['größe', 'b'], ['1,€\n']]);
  });
});
