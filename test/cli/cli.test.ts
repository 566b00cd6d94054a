/** @module-tag long */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { experimentSchema } from '../../src/config/experiment.js';
import { models } from '../../src/models/models.js';
import { packageCommit } from '../../src/runs/package-version.js';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const config = join(root, 'configs', 'esmm.yaml');

/** Small generated data for all tests of this file: a run takes a second. */
let world: string;
const small = (): string[] => ['train', 'valid', 'test'].map((split) => `--set=data.${split}=${world}/${split}.csv`);

beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-world-'));
  const { code, stderr } = await mtl(world, [
    'synth',
    '.',
    '--train',
    '1500',
    '--valid',
    '500',
    '--test',
    '500',
    '--users',
    '60',
    '--items',
    '40',
  ]);
  expect([code, stderr]).toEqual([0, '']);
});

describe('mtl train', () => {
  it('trains, prints each epoch and the test metrics, and writes a self-contained run directory', async () => {
    const cwd = scratchFolder();
    const { code, stdout, stderr } = await mtl(cwd, ['train', config, ...small(), '--set', 'training.epochs=2']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /run {5}runs\/esmm\/001\n(.|\n)*epoch 1\/2(.|\n)*epoch 2\/2(.|\n)*test, with the weights of epoch \d(.|\n)*ctcvr(.|\n)*run directory runs\/esmm\/001\nreport runs\/esmm\/001\/report\.html\nnext:\n {2}npx mtl predict runs\/esmm\/001 --data \S+ --out predictions\.csv\n {2}npx mtl serve runs\/esmm\/001\n {2}npx mtl runs\n$/,
    );

    const run = join(cwd, 'runs', 'latest');
    expect(readdirSync(run).sort()).toEqual([
      'checkpoints',
      'config.resolved.yaml',
      'config.source.yaml',
      'data.json',
      'environment.json',
      'events.out.tfevents.0.mtl',
      'log.jsonl',
      'metrics.jsonl',
      'overrides.txt',
      'report.html',
      'results.csv',
      'scores.json',
      'summary.json',
    ]);
    expect(readFileSync(join(run, 'config.source.yaml'), 'utf8')).toBe(readFileSync(config, 'utf8'));
    expect(readFileSync(join(run, 'overrides.txt'), 'utf8')).toContain('training.epochs=2\n');
    expect(parse(readFileSync(join(run, 'config.resolved.yaml'), 'utf8'))).toMatchObject({
      name: 'esmm',
      training: { epochs: 2 },
    });
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toMatchObject([
      {
        epoch: 1,
        rows: 1500,
        train: { losses: { ctr: expect.any(Number) as number, ctcvr: expect.any(Number) as number } },
        valid: { metrics: { cvr_all: { rows: 500 } } },
      },
      { epoch: 2, step: 12 },
      { metrics: { test: { ctr: { rows: 500 } } } },
    ]);
    expect(readFileSync(join(run, 'results.csv'), 'utf8')).toMatch(
      /^epoch,step,split,isBest,train\.loss,.*ctcvr\.auc.*\n1,6,valid,(.|\n)*,test,(.|\n)*\n$/,
    );
    const events = readFileSync(join(run, 'log.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: string }).event);
    expect(events).toEqual(['start', 'epoch', 'epoch', 'warning', 'end']);
    expect(JSON.parse(readFileSync(join(run, 'environment.json'), 'utf8'))).toMatchObject({
      mtl: expect.any(String) as string,
      commit: await packageCommit(),
      engine: { name: 'simd' },
    });
  });

  it('with --json prints one object on stdout, and eval computes identical metrics', async () => {
    const cwd = scratchFolder();
    const trained = await mtl(cwd, [
      'train',
      config,
      ...small(),
      '--set=training.epochs=1',
      '--json',
      '--run-dir',
      'mine',
    ]);
    expect(trained.code).toBe(0);
    expect(trained.stdout.split('\n')).toHaveLength(2);
    const result = JSON.parse(trained.stdout) as {
      run: string;
      metrics: Record<string, Record<string, { auc: number }>>;
    };
    expect(result.run).toBe('mine');
    expect(result.metrics['test']!['ctr']!.auc).toBeGreaterThan(0);
    for (const path of ['mine', 'mine/checkpoints/last']) {
      const evaluated = await mtl(cwd, ['eval', path, '--json']);
      expect(evaluated.code).toBe(0);
      expect((JSON.parse(evaluated.stdout) as typeof result).metrics).toEqual(result.metrics);
    }
    writeFileSync(join(cwd, 'mine', 'checkpoints', 'best', 'config.yaml'), '');
    expect((await mtl(cwd, ['eval', 'mine'])).code).toBe(4);
    writeFileSync(
      join(cwd, 'mine', 'checkpoints', 'best', 'config.yaml'),
      readFileSync(join(cwd, 'mine', 'config.resolved.yaml')),
    );
    const other = await mtl(cwd, ['eval', 'mine', '--data', join(world, 'valid.csv'), '--json']);
    expect((JSON.parse(other.stdout) as typeof result).metrics).toEqual({ test: result.metrics['valid'] });
    // If encoded rows cannot be cached next to the data, eval also warns.
    copyFileSync(join(world, 'valid.csv'), join(cwd, 'other.csv'));
    writeFileSync(join(cwd, '.mtl'), '');
    vi.stubEnv('XDG_CACHE_HOME', scratchFolder());
    // Without the flag, native kernels would be compiled into the new cache while the test removes it.
    const uncached = await mtl(cwd, ['eval', 'mine', '--data', 'other.csv', '--kernels=wasm']);
    expect(uncached.stdout).toMatch(/cannot write .*\.mtl \(EEXIST\)/);
    vi.unstubAllEnvs();
  });

  it('gives identical results for the same seed and different ones for another', async () => {
    const cwd = scratchFolder();
    const metrics = async (...args: string[]): Promise<string> =>
      JSON.stringify(
        (
          JSON.parse(
            (await mtl(cwd, ['train', config, ...small(), '--set=training.epochs=1', '--json', ...args])).stdout,
          ) as { metrics: unknown }
        ).metrics,
      );
    const [first, second, other] = await Promise.all([
      metrics('--name', 'a'),
      metrics('--name', 'b'),
      metrics('--name', 'c', '--set=seed=1'),
    ]);
    expect(first).toMatch(/auc/);
    expect(second).toBe(first);
    expect(other).not.toBe(first);
  });

  it('stores vocabularies and scales for eval', async () => {
    const cwd = scratchFolder();
    const spec = [
      '--set=features.item.encoding={name: tokens, minCount: 3}',
      '--set=features.more={type: numeric, fields: [D508, D853], scaling: standard}',
    ];
    const trained = await mtl(cwd, [
      'train',
      config,
      ...small(),
      ...spec,
      '--set=training.epochs=1',
      '--json',
      '--run-dir',
      'run',
    ]);
    expect([trained.code, trained.stdout]).toEqual([0, expect.stringContaining('auc')]);
    const evaluated = await mtl(cwd, ['eval', 'run', '--json']);
    expect((JSON.parse(evaluated.stdout) as { metrics: unknown }).metrics).toEqual(
      (JSON.parse(trained.stdout) as { metrics: unknown }).metrics,
    );
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('saves a checkpoint and exits at %s with code %i', async (signal, expected) => {
    const cwd = scratchFolder();
    let isSent = false;
    const { code, stdout } = await mtl(
      cwd,
      [
        'train',
        config,
        ...small(),
        '--set=training.epochs=500',
        '--set=training.earlyStopping=null',
        '--set=training.monitor=loss',
        '--run-dir',
        'run',
      ],
      (text, kill) => {
        if (isSent || !text.includes('epoch 1/500')) return;
        isSent = true;
        kill(signal);
      },
    );
    expect(stdout).toContain(`stopped by ${signal}; saved as run/checkpoints/last`);
    expect(code).toBe(expected);
    expect((await mtl(cwd, ['eval', 'run/checkpoints/last'])).code).toBe(0);
  });
});

describe('a signal during the test evaluation', () => {
  it('ends the run immediately and keeps the best checkpoint', async () => {
    const cwd = scratchFolder();
    // The test set repeats train many times, so that its evaluation takes a while.
    const [header, ...rows] = readFileSync(join(world, 'train.csv'), 'utf8').trimEnd().split('\n');
    writeFileSync(join(cwd, 'test.csv'), `${[header, ...Array<string[]>(100).fill(rows).flat()].join('\n')}\n`);
    let isSent = false;
    const { code, stdout } = await mtl(
      cwd,
      ['train', config, ...small(), '--set=data.test=test.csv', '--set=training.epochs=1', '--run-dir', 'run'],
      (text, kill) => {
        if (isSent || !text.includes('epoch 1/1')) return;
        isSent = true;
        kill('SIGINT');
      },
    );
    expect([code, stdout]).toEqual([130, expect.stringContaining('stopped by SIGINT') as string]);
    expect(readlinkSync(join(cwd, 'run', 'checkpoints', 'last'))).toBe(
      readlinkSync(join(cwd, 'run', 'checkpoints', 'best')),
    );
  });
});

describe('a usage error', () => {
  it.each([
    ['no command', [], 2, /expected a command/],
    ['an unknown command', ['trian', 'x'], 2, /unknown command; did you mean 'train'\?\n$/],
    ['an unknown command with --help', ['trian', '--help'], 2, /unknown command; did you mean 'train'\?\n$/],
    ['an unknown subcommand with -h', ['data', 'infos', '-h'], 2, /unknown command; did you mean 'info'\?\n$/],
    [
      'an option named like a config key',
      ['train', config, '--epochs', '3'],
      2,
      /^error: --epochs: unknown option; for the config key, use --set training\.epochs=3\n$/,
    ],
    [
      'an option named like an alias of a config key',
      ['train', config, '--lr=0.1'],
      2,
      /^error: --lr: unknown option; for the config key, use --set training\.optimizer\.dense\.learningRate=0\.1 or --set training\.optimizer\.embeddings\.learningRate=0\.1 or --set training\.optimizer\.wide\.learningRate=0\.1\n$/,
    ],
    [
      'an unknown option',
      ['train', config, '--zzz', '3'],
      2,
      /^error: --zzz: unknown option; see npx mtl train --help\n$/,
    ],
    [
      'an unknown word with an option',
      ['zzzzz', '--force'],
      2,
      /^error: zzzzz: unknown command or argument; see npx mtl --help\n$/,
    ],
    ['an unknown word', ['zzzzz', '--help'], 2, /^error: zzzzz: unknown command or argument; see npx mtl --help\n$/],
    [
      'a key without its parent',
      ['train', config, '--set', 'epochs=5'],
      2,
      /^error: --set epochs=5: epochs: unknown key; write --set training\.epochs=5\n$/,
    ],
    [
      'a missing argument',
      ['prepare', 'ali-ccp', 'raw'],
      2,
      /^error: missing argument; expected npx mtl prepare <data> <raw> <out>; see npx mtl prepare --help\n$/,
    ],
    [
      'a missing subcommand',
      ['data'],
      2,
      /^error: missing argument; expected npx mtl data <command>; see npx mtl data --help\n$/,
    ],
    ['an option without a value', ['train', config, '--threads'], 2, /^error: --threads: expected a value/],
    ['no config', ['train'], 2, /missing config; use npx mtl train configs\/esmm.yaml, or --resume RUN/],
    ['a missing config file', ['train', 'none.yaml'], 2, /error: none\.yaml: no such file/],
    [
      'an unknown key',
      ['train', config, '--set', 'modle.name=x'],
      2,
      /--set modle\.name=x: modle: unknown key; did you mean 'model'\?/,
    ],
    [
      'an unknown device',
      ['train', config, '--device', 'tpu'],
      2,
      /^error: --device: expected auto, cpu, gpu, webgpu, cuda, found "tpu"; did you mean 'cpu'\?\n$/,
    ],
    [
      'a missing data file',
      ['train', config, '--set', 'data.test=/none.csv'],
      3,
      /data\.test: no such file; correct the path; paths are relative to the config's directory/,
    ],
    [
      'a directory without data',
      ['train', config, '--set', `data.test=${import.meta.dirname}`],
      3,
      /data\.test: is a directory.*or a CSV file\n$/,
    ],
    [
      'a missing run to resume',
      ['train', '--resume', 'none'],
      2,
      /^error: --resume none: no such directory; pass a run/,
    ],
    [
      'a directory to resume that is no run',
      ['train', '--resume', '.'],
      2,
      /^error: --resume \.: is not a run directory: it has no config\.resolved\.yaml; pass a run/,
    ],
    ['no checkpoint', ['eval', '.'], 4, /no checkpoint found/],
    ['a file to evaluate', ['eval', config], 4, /esmm\.yaml: not a directory; name a run or a checkpoint/],
    [
      'a path to evaluate that is too long',
      ['eval', 'x'.repeat(300)],
      4,
      /x: cannot read the path \(ENAMETOOLONG\); name a run or a checkpoint/,
    ],
    [
      'an unknown parent task',
      ['train', config, '--set', 'tasks.cvr.given=clik'],
      2,
      /--set tasks\.cvr\.given=clik: tasks\.cvr\.given: expected the label of another classification task \(click\), in a chain that ends at a task without given, found "clik"; did you mean 'click'\?/,
    ],
    ['an invalid run name', ['train', config, '--name', '../x'], 2, /invalid run name/],
    [
      'a name and a directory',
      ['train', config, '--name', 'a', '--run-dir', 'b'],
      2,
      /--name and --run-dir are mutually exclusive|--run-dir and --name are mutually exclusive/,
    ],
    ['an extra argument', ['train', config, '--', '--x'], 2, /--x: unexpected argument/],
    [
      'a repeated option',
      ['train', config, '--device', 'cpu', '--device', 'auto'],
      2,
      /--device: given more than once/,
    ],
    ['a repeated path', ['predict', '.', '--data', 'a', '--out', 'b', '--out', 'c'], 2, /--out: given more than once/],
    [
      'tables that exceed the memory',
      ['train', config, '--set', 'features.user.encoding={sizes: {101: 2000000000}}'],
      3,
      /require \d+\.\d GiB.*, but (?:a WebAssembly memory|this machine) has .*'101' of 2000000000 rows × 16/,
    ],
    [
      'a config named latest',
      ['train', config, '--set', 'name=latest'],
      2,
      /'latest' is reserved for the link to the newest run/,
    ],
    [
      'a number of rows that is no number',
      ['synth', 'x', '--train', 'many'],
      2,
      /--train: expected an integer from 1 to/,
    ],
    ['a rate beyond 1', ['synth', 'x', '--click-rate', '1.5'], 2, /--click-rate: expected a number between 0 and 1/],
  ] as const)('reports %s with its exit code', async (_, args, code, message) => {
    const finished = await mtl(scratchFolder(), args);
    expect(finished.stderr).toMatch(message);
    expect(finished.stderr).not.toMatch(/bug|\n {4}at /);
    expect([finished.code, finished.stdout]).toEqual([code, '']);
  });

  it('with --json is also one object on stdout', async () => {
    const { code, stdout } = await mtl(scratchFolder(), ['train', config, '--set', 'modle.name=x', '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([
      2,
      {
        error: {
          kind: 'config',
          exitCode: 2,
          problems: [
            { where: '--set modle.name=x', key: 'modle', message: 'unknown key', fix: "did you mean 'model'?" },
          ],
        },
      },
    ]);
  });

  it('reports file, line, column and value of a broken CSV before a checkpoint is written', async () => {
    const cwd = scratchFolder();
    const rows = readFileSync(join(world, 'train.csv'), 'utf8').split('\n');
    const cells = rows[700]!.split(',');
    cells[2] = 'oops';
    rows[700] = cells.join(',');
    writeFileSync(join(cwd, 'train.csv'), rows.join('\n'));
    const broken = [...small(), '--set=data.train=train.csv', '--set=training.epochs=1'];
    const { code, stderr } = await mtl(cwd, ['train', config, ...broken]);
    expect(stderr).toMatch(
      /error: .*train\.csv:701: column "101": expected an integer id in digits, found "oops"; correct the row, or set encoding: tokens if ids are strings/,
    );
    expect(code).toBe(3);
    expect(existsSync(join(cwd, 'runs'))).toBe(false);

    const skipped = await mtl(cwd, ['train', config, ...broken, '--set=data.onBadRow=skip']);
    expect(skipped.code).toBe(0);
    expect(skipped.stdout).toContain('1 invalid rows were skipped; they are listed in runs/esmm/001/rejects.csv');
    expect(readFileSync(join(cwd, 'runs', 'latest', 'rejects.csv'), 'utf8')).toMatch(/train\.csv,701,101,oops,/);
  });

  it('warns once where encoded rows are cached if the data directory is read-only', async () => {
    const cwd = scratchFolder();
    for (const split of ['train', 'valid', 'test'])
      copyFileSync(join(world, `${split}.csv`), join(cwd, `${split}.csv`));
    writeFileSync(join(cwd, '.mtl'), 'in the way');
    vi.stubEnv('XDG_CACHE_HOME', join(cwd, 'elsewhere'));
    const { code, stdout } = await mtl(cwd, [
      'train',
      config,
      // That cache has no native kernels.
      '--kernels=wasm',
      '--set=training.epochs=1',
      ...['train', 'valid', 'test'].map((split) => `--set=data.${split}=${cwd}/${split}.csv`),
    ]);
    vi.unstubAllEnvs();
    expect(code).toBe(0);
    expect(stdout.match(/encoded rows are cached in .*elsewhere/g)).toHaveLength(1);
  });

  it('exits with code 6 and names the loss if training diverges', async () => {
    const { code, stderr } = await mtl(scratchFolder(), [
      'train',
      config,
      ...small(),
      '--set=training.optimizer.dense.learningRate=1e30',
      '--set=training.optimizer.embeddings.learningRate=1e30',
    ]);
    expect(stderr).toMatch(/error: epoch 1, batch \d+, step \d+: loss 'ct(cv)?r': is (NaN|Infinity)/);
    expect(code).toBe(6);
  });

  it.skipIf(!existsSync('/dev/full'))('exits with code 5 and no stack on a full disk', async () => {
    const cwd = scratchFolder();
    // A run directory cannot be created below a file; /dev/full accepts no byte.
    expect((await mtl(cwd, ['train', config, ...small(), '--run-dir', '/dev/full/run'])).code).toBe(5);
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', `"${process.execPath}" "${BIN}" config show "${config}" > /dev/full`],
      { cwd, encoding: 'utf8' },
    );
    expect([status, stderr]).toEqual([5, 'error: standard output: cannot be written (ENOSPC)\n']);
  });

  it('reports a link to itself and an unreadable directory as such', async () => {
    const cwd = scratchFolder();
    symlinkSync('loop', join(cwd, 'loop'));
    const { code, stderr } = await mtl(cwd, ['eval', 'loop']);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/^error: loop: cannot read the path \(ELOOP\); name a run/) as string,
    ]);
    // The superuser may read any directory.
    if (process.getuid?.() === 0) return;
    mkdirSync(join(cwd, 'locked'), { mode: 0o000 });
    expect((await mtl(cwd, ['eval', 'locked/run'])).stderr).toMatch(/^error: locked\/run: cannot be read \(EACCES\)/);
  });

  it('rejects an existing directory and leaves it unchanged', async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'run'), 'mine');
    const { code } = await mtl(cwd, ['train', config, ...small(), '--run-dir', 'run']);
    expect(code).toBe(2);
    expect(readFileSync(join(cwd, 'run'), 'utf8')).toBe('mine');
  });
});

describe('mtl config', () => {
  it('shows a config that can be loaded again', async () => {
    const cwd = scratchFolder();
    const shown = await mtl(cwd, ['config', 'show', config, '--set', 'training.epochs=9']);
    expect([shown.code, shown.stderr]).toEqual([0, '']);
    writeFileSync(join(cwd, 'again.yaml'), shown.stdout);
    expect((await mtl(cwd, ['config', 'show', 'again.yaml'])).stdout).toBe(shown.stdout);
  });

  it('prints a JSON Schema with every model', async () => {
    const { stdout } = await mtl(scratchFolder(), ['config', 'schema']);
    const schema = JSON.parse(stdout) as { properties: Record<string, unknown>; required: string[] };
    expect(Object.keys(schema.properties)).toEqual(Object.keys(experimentSchema.shape));
    expect(schema.required).toEqual(['data', 'features', 'tasks', 'model']);
    for (const name of models.names) expect(stdout).toContain(`"${name}"`);
  });
});
