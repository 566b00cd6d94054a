import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ProgramState } from '../../src/engines/engine.js';
import { encodedFields, featureTypes, createFields } from '../../src/features/feature-types.js';
import { createTextTable } from '../../src/features/vocabulary/text-table.js';
import { listStrings, textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { readCheckpoint, saveCheckpoint, type Checkpoint } from '../../src/runs/checkpoint.js';
import { contentBytes, fullContents } from '../../src/runs/checkpoint-contents.js';
import { findCheckpoint } from '../../src/runs/find-checkpoint.js';
import { onDisk, writeFileAtomic, writeFolder } from '../../src/io/disk.js';
import { pointLink } from '../../src/io/links.js';
import { createRunFolder, pointLatest, removeRunFolder } from '../../src/runs/run-folder.js';
import { runPath, runsRoot } from '../../src/runs/runs-root.js';
import { firstLoopState } from '../../src/training/loop-state.js';
import { scratchFolder } from '../support/scratch.js';

describe('run directories', () => {
  const home = process.cwd();
  beforeEach(() => process.chdir(scratchFolder()));
  afterEach(() => process.chdir(home));

  it('are numbered', async () => {
    expect(await createRunFolder({ configName: 'esmm' })).toBe('runs/esmm/001');
    expect(await createRunFolder({ configName: 'esmm' })).toBe('runs/esmm/002');
    mkdirSync('runs/esmm/041');
    expect(await createRunFolder({ configName: 'esmm' })).toBe('runs/esmm/042');
    expect(await createRunFolder({ configName: 'mmoe', name: 'wide' })).toBe('runs/mmoe/wide');
  });

  it('are distinct for concurrent runs', async () => {
    const folders = await Promise.all(Array.from({ length: 12 }, () => createRunFolder({ configName: 'esmm' })));
    expect(new Set(folders).size).toBe(12);
  });

  it('that exist are rejected', async () => {
    await createRunFolder({ configName: 'esmm', name: 'mine' });
    await expect(createRunFolder({ configName: 'esmm', name: 'mine' })).rejects.toThrow(
      /--name mine: runs\/esmm\/mine already exists/,
    );
    await expect(createRunFolder({ configName: 'esmm', name: 'v1.' })).rejects.toThrow('no dot at the end');
    mkdirSync('there');
    await expect(createRunFolder({ configName: 'esmm', runDir: 'there' })).rejects.toMatchObject({ exitCode: 2 });
  });

  it('may be anywhere, and runs/latest points only to those below runs', async () => {
    expect(await createRunFolder({ configName: 'esmm', runDir: 'a/b/c' })).toBe('a/b/c');
    await pointLatest('a/b/c', runsRoot());
    expect(readdirSync('.')).toEqual(['a']);
    const below = await createRunFolder({ configName: 'esmm', runDir: 'runs/mine/x' });
    await pointLatest(below, runsRoot());
    expect(readlinkSync('runs/latest')).toBe('mine/x');
  });

  it('are below MTL_RUNS, else where the config says, else in the project, from any directory in it', async () => {
    const here = process.cwd();
    const elsewhere = scratchFolder();
    mkdirSync('project/deep/down', { recursive: true });
    writeFileSync('project/package.json', '{}');
    process.chdir('project/deep/down');
    expect(await createRunFolder({ configName: 'esmm' })).toBe(join(here, 'project/runs/esmm/001'));
    expect(runPath('runs/esmm/001')).toBe(join(here, 'project/runs/esmm/001'));
    expect(await createRunFolder({ configName: 'esmm', runs: join(here, 'kept') })).toBe(join(here, 'kept/esmm/001'));
    vi.stubEnv('MTL_RUNS', elsewhere);
    expect(await createRunFolder({ configName: 'esmm', runs: join(here, 'kept') })).toBe(join(elsewhere, 'esmm/001'));
    expect(runPath('runs/esmm/001')).toBe(join(elsewhere, 'esmm/001'));
    vi.unstubAllEnvs();
    // A folder that has had runs is a project, too.
    process.chdir(here);
    mkdirSync('old/below', { recursive: true });
    await pointLatest(
      await createRunFolder({ configName: 'esmm', runDir: 'old/runs/esmm/001' }),
      join(here, 'old/runs'),
    );
    process.chdir('old/below');
    expect(runsRoot()).toBe(join(here, 'old/runs'));
  });

  it('with a dangling link are errors that name its target', async () => {
    await pointLatest(await createRunFolder({ configName: 'esmm' }), runsRoot());
    await removeRunFolder('runs/esmm/001', runsRoot());
    expect(readdirSync('runs')).toEqual(['latest']);
    expect(() => findCheckpoint('runs/latest')).toThrow(
      'runs/latest: the link points to esmm/001, which does not exist; name another run, from npx mtl runs',
    );
    expect(() => findCheckpoint('runs/latest/checkpoints/last')).toThrow(
      'runs/latest points to esmm/001, which does not exist',
    );
  });

  it.each(['runs', 'runs/latest', '.', ''])('are not created at %j', async (runDir) => {
    await expect(createRunFolder({ configName: 'esmm', runDir })).rejects.toMatchObject({ exitCode: 2 });
    expect(readdirSync('.')).toEqual([]);
  });

  it('cannot have the name of the link to the newest', async () => {
    await expect(createRunFolder({ configName: 'latest' })).rejects.toMatchObject({ exitCode: 2 });
  });

  it.each(['../up', '.hidden', 'a/b', '', 'x'.repeat(200)])('cannot have the name %j', async (name) => {
    await expect(createRunFolder({ configName: 'esmm', name })).rejects.toMatchObject({ exitCode: 2 });
  });

  it('that cannot be created are a disk error', async () => {
    writeFileSync('file', '');
    await expect(createRunFolder({ configName: 'esmm', runDir: 'file/below' })).rejects.toMatchObject({ exitCode: 5 });
  });
});

describe('writes', () => {
  it('leave the old file on failure, and nothing temporary', async () => {
    const folder = scratchFolder();
    const path = join(folder, 'a.txt');
    await writeFileAtomic(path, 'old');
    // A folder in the file's place cannot be renamed over.
    const blocked = join(folder, 'blocked');
    mkdirSync(join(blocked, 'full'), { recursive: true });
    await expect(writeFileAtomic(blocked, 'new')).rejects.toMatchObject({ exitCode: 5 });
    expect(readdirSync(folder).sort()).toEqual(['a.txt', 'blocked']);
  });

  it('of a directory are invisible until complete', async () => {
    const folder = scratchFolder();
    await expect(
      writeFolder(join(folder, 'x'), async (inside) => {
        writeFileSync(join(inside, 'half'), '');
        await Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC', errno: -28 }));
      }),
    ).rejects.toThrow(/the disk is full/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('distinguish bugs from disk errors', async () => {
    await expect(
      onDisk('x', () => Promise.reject(Object.assign(new TypeError('a bug'), { code: 'ERR_INVALID_ARG_TYPE' }))),
    ).rejects.toBeInstanceOf(TypeError);
  });

  it('of a link are atomic', async () => {
    const link = join(scratchFolder(), 'link');
    for (const target of ['a', 'b', 'b']) await pointLink(link, target);
    expect(readlinkSync(link)).toBe('b');
  });
});

describe('checkpoints', () => {
  /** Too long for JSON. */
  const WORDS = createTextTable(textsFrom(Array.from({ length: 20_000 }, (_, i) => `word ${i}`)));
  const tensor = (value: number) => ({ shape: [2], data: Float32Array.of(value, value) });
  const state = (step: number): ProgramState => ({
    step,
    weights: new Map([['w', tensor(step)]]),
    optimizer: new Map([['w.firstMoment', tensor(-step)]]),
  });
  const checkpoint = (step: number): Checkpoint => ({
    program: state(step),
    sections: {
      loop: {
        version: 1,
        ...firstLoopState(),
        step,
        epoch: step,
        bestEpoch: 1,
        sums: { ctr: { loss: 0.1 + 0.2, rows: 7 } },
      },
      log: { version: 1, metricsBytes: 12 },
    },
    fitted: { f: { size: 3 }, word: { vocabulary: WORDS } },
    config: 'name: x\n',
    states: {},
    lookups: new Map(),
  });

  /** Only what links point at, and the newest. */
  const KEEP = { keepLast: 1, damaged: [] };

  it('load as saved', { tags: ['long'] }, async () => {
    const run = scratchFolder();
    await saveCheckpoint(run, checkpoint(7), ['best', 'last'], KEEP);
    expect(await readCheckpoint(findCheckpoint(run), { withOptimizer: true })).toEqual(checkpoint(7));
    expect((await readCheckpoint(join(run, 'checkpoints', 'last'))).program.optimizer.size).toBe(0);
  });

  it('without a long vocabulary have no file for it', async () => {
    const run = scratchFolder();
    const small = {
      ...checkpoint(1),
      fitted: { f: { size: 3 }, word: { vocabulary: createTextTable(textsFrom(['a', 'ü'])) } },
    };
    await saveCheckpoint(run, small, ['last'], KEEP);
    expect(readdirSync(join(run, 'checkpoints', 'last')).sort()).toEqual(
      FILES.filter((file) => file !== 'vocabularies.safetensors').sort(),
    );
    const bytesOf = (each: Checkpoint): number => contentBytes(fullContents(each));
    expect(bytesOf(checkpoint(1)) - bytesOf(small)).toBe(WORDS.bytes.byteLength + WORDS.offsets.byteLength);
    const window = new Map([['labels.click', { shape: [3], data: Uint8Array.of(1, 0, 1) }]]);
    expect(bytesOf({ ...small, states: { window } }) - bytesOf(small)).toBe(3);
    expect((await readCheckpoint(findCheckpoint(run))).fitted).toEqual({
      f: { size: 3 },
      word: { vocabulary: ['a', 'ü'] },
    });
  });

  it('with an invalid vocabulary are an error, even if its digest matches', async () => {
    const run = scratchFolder();
    const offsets = Uint32Array.from(WORDS.offsets);
    offsets[7] = 5;
    await saveCheckpoint(
      run,
      { ...checkpoint(1), fitted: { word: { vocabulary: { ...WORDS, offsets } } } },
      ['last'],
      KEEP,
    );
    await expect(readCheckpoint(findCheckpoint(run))).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining(
        'vocabularies.safetensors: word.vocabulary.offsets: expected the offsets of texts',
      ) as string,
    });
  });

  it('of an earlier version, with a long vocabulary as a list, load and encode alike', async () => {
    const run = scratchFolder();
    const list = listStrings(WORDS);
    await saveCheckpoint(run, { ...checkpoint(1), fitted: { word: { vocabulary: list } } }, ['last'], KEEP);
    expect(JSON.parse(readFileSync(join(findCheckpoint(run), 'features.json'), 'utf8'))).toEqual({
      word: { vocabulary: list },
    });
    const { fitted } = await readCheckpoint(findCheckpoint(run));
    expect(fitted).toEqual({ word: { vocabulary: WORDS } });
    const [field] = encodedFields(
      createFields([
        featureTypes.schema.parse({ type: 'categorical', fields: ['word'], encoding: { name: 'tokens' } }),
      ]),
      fitted,
    );
    expect([field!.rows, field!.encode('word 0'), field!.encode('word 19999'), field!.encode('word')]).toEqual([
      20_001, 1, 20_000, 0,
    ]);
  });

  it('are kept while best or last points to them', async () => {
    const run = scratchFolder();
    await saveCheckpoint(run, checkpoint(1), ['best', 'last'], KEEP);
    await saveCheckpoint(run, checkpoint(2), ['last'], KEEP);
    await saveCheckpoint(run, checkpoint(3), ['last'], KEEP);
    expect(readdirSync(join(run, 'checkpoints')).sort()).toEqual(['best', 'last', 'step-00000001', 'step-00000003']);
    expect((await readCheckpoint(join(run, 'checkpoints', 'best'))).program.step).toBe(1);
  });

  it.each([
    ['weights', 'w', NaN],
    ['optimizer', 'w.firstMoment', Infinity],
    ['optimizer', 'w.firstMoment', -Infinity],
  ] as const)('are not written where the %s hold a number that is not finite (%s: %d)', async (part, name, value) => {
    const run = scratchFolder();
    await saveCheckpoint(run, checkpoint(1), ['best', 'last'], KEEP);
    const { program } = checkpoint(2);
    const spoiled = {
      ...checkpoint(2),
      program: {
        ...program,
        [part]: new Map([
          ['a', tensor(1)],
          [name, { shape: [2], data: Float32Array.of(0, value) }],
        ]),
      },
    };
    const attempt = saveCheckpoint(run, spoiled, ['best', 'last'], KEEP);
    await expect(attempt).rejects.toMatchObject({ exitCode: 6 });
    await expect(attempt).rejects.toThrow(
      `tensor '${name}': contains ${value} (element 2 of 2), so it is not saved; older checkpoints are unchanged`,
    );
    expect(readdirSync(join(run, 'checkpoints')).sort()).toEqual(['best', 'last', 'step-00000001']);
    expect(await readCheckpoint(findCheckpoint(run), { withOptimizer: true })).toEqual(checkpoint(1));
  });

  it('are found by their run or their own path', async () => {
    const run = scratchFolder();
    expect(() => findCheckpoint(run)).toThrow(/no checkpoint found/);
    expect(() => findCheckpoint(join(run, 'none'))).toThrow(/no such directory/);
    await saveCheckpoint(run, checkpoint(1), ['last'], KEEP);
    expect(findCheckpoint(run)).toBe(join(run, 'checkpoints', 'step-00000001'));
    expect(findCheckpoint(join(run, 'checkpoints', 'step-00000001'))).toBe(join(run, 'checkpoints', 'step-00000001'));
  });

  it('that are best but missing are not replaced by the last', async () => {
    const run = scratchFolder();
    await saveCheckpoint(run, checkpoint(1), ['best'], KEEP);
    await saveCheckpoint(run, checkpoint(2), ['last'], KEEP);
    rmSync(join(run, 'checkpoints', 'step-00000001'), { recursive: true });
    await expect((async () => readCheckpoint(findCheckpoint(run)))()).rejects.toThrow(
      /step-00000001.*cannot read the file/,
    );
  });

  const FILES = [
    'weights.safetensors',
    'optimizer.safetensors',
    'state.json',
    'features.json',
    'vocabularies.safetensors',
    'config.yaml',
    'manifest.json',
  ];

  it('are not followed through links out of the run', async () => {
    const run = scratchFolder();
    const elsewhere = scratchFolder();
    await saveCheckpoint(elsewhere, checkpoint(1), ['best'], KEEP);
    mkdirSync(join(run, 'checkpoints'));
    symlinkSync(join(elsewhere, 'checkpoints', 'step-00000001'), join(run, 'checkpoints', 'best'));
    expect(() => findCheckpoint(run)).toThrow(/best: expected a link to a checkpoint in the same directory/);
  });

  it.each(FILES)('with a damaged %s are an error that names it', async (file) => {
    const run = scratchFolder();
    await saveCheckpoint(run, checkpoint(1), ['best'], KEEP);
    writeFileSync(join(run, 'checkpoints', 'best', file), '{"formatVersion":9');
    await expect(readCheckpoint(findCheckpoint(run), { withOptimizer: true })).rejects.toThrow(new RegExp(file));
    await expect(readCheckpoint(findCheckpoint(run), { withOptimizer: true })).rejects.toMatchObject({ exitCode: 4 });
  });

  it.each(FILES)('with one flipped bit in %s are rejected', async (file) => {
    const run = scratchFolder();
    await saveCheckpoint(run, checkpoint(1), ['best'], KEEP);
    const folder = findCheckpoint(run);
    const whole = readFileSync(join(folder, file));
    // Turned letters of the manifest may be another manifest; that of a digest is the hardest case.
    const at = file === 'manifest.json' ? whole.indexOf('sha256') + 12 : whole.length - 1;
    const turned = Buffer.from(whole);
    turned[at]! ^= 1;
    writeFileSync(join(folder, file), turned);
    await expect(readCheckpoint(folder, { withOptimizer: true })).rejects.toMatchObject({ exitCode: 4 });
  });

  it('have a manifest with the digests of all files', async () => {
    const run = scratchFolder();
    await saveCheckpoint(run, checkpoint(1), ['best'], KEEP);
    const folder = findCheckpoint(run);
    const { files } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
      files: Record<string, { bytes: number; sha256: string }>;
    };
    expect(Object.keys(files).sort()).toEqual(FILES.filter((file) => file !== 'manifest.json').sort());
    for (const [file, { bytes, sha256 }] of Object.entries(files)) {
      const content = readFileSync(join(folder, file));
      expect([content.length, createHash('sha256').update(content).digest('hex')]).toEqual([bytes, sha256]);
    }
  });

  it('of an earlier format are refused with its version and the fix', async () => {
    const run = scratchFolder();
    await saveCheckpoint(run, checkpoint(1), ['best'], KEEP);
    const manifest = join(findCheckpoint(run), 'manifest.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"formatVersion": 3', '"formatVersion": 2'));
    await expect(readCheckpoint(findCheckpoint(run))).rejects.toThrow(
      'manifest.json: has format version 2, but this version of mtl reads 3 only; train the run again',
    );
  });

  it.each([
    ['a file elsewhere', (text: string) => text.replace('"config.yaml"', '"../../config.yaml"')],
    ['another version', (text: string) => text.replace('"formatVersion": 3', '"formatVersion": 4')],
    ['a key too many', (text: string) => text.replace('{', '{"code": "x",')],
    ['a size below 0', (text: string) => text.replace(/"bytes": \d+/, '"bytes": -1')],
  ])('whose manifest names %s are rejected', async (_, change) => {
    const run = scratchFolder();
    await saveCheckpoint(run, checkpoint(1), ['best'], KEEP);
    const manifest = join(findCheckpoint(run), 'manifest.json');
    const text = readFileSync(manifest, 'utf8');
    expect(change(text)).not.toBe(text);
    writeFileSync(manifest, change(text));
    await expect(readCheckpoint(findCheckpoint(run), { withOptimizer: true })).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining('manifest.json') as string,
    });
  });

  it('with a pipe or a directory in place of a file are rejected without waiting', async () => {
    const run = scratchFolder();
    await saveCheckpoint(run, checkpoint(1), ['best'], KEEP);
    const weights = join(findCheckpoint(run), 'weights.safetensors');
    rmSync(weights);
    mkdirSync(weights);
    await expect(readCheckpoint(findCheckpoint(run), { withOptimizer: true })).rejects.toThrow(
      /weights\.safetensors: not a regular file/,
    );
    rmSync(weights, { recursive: true });
    if (spawnSync('mkfifo', [weights]).status !== 0) return;
    await expect(readCheckpoint(findCheckpoint(run), { withOptimizer: true })).rejects.toThrow(
      /weights\.safetensors: not a regular file/,
    );
  });
});
