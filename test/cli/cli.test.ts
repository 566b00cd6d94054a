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

/** A world of its own for all of this file: small, so that a run takes a second. */
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
  it('trains, prints each epoch and test, and leaves a run folder that explains itself', async () => {
    const cwd = scratchFolder();
    const { code, stdout, stderr } = await mtl(cwd, ['train', config, ...small(), '--set', 'training.epochs=2']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /run {5}runs\/esmm\/001\n(.|\n)*epoch 1\/2(.|\n)*epoch 2\/2(.|\n)*test, with the weights of epoch \d(.|\n)*ctcvr(.|\n)*run folder runs\/esmm\/001\nreport runs\/esmm\/001\/report\.html\nnext:\n {2}npx mtl predict runs\/esmm\/001 --data \S+ --out predictions\.csv\n {2}npx mtl serve runs\/esmm\/001\n {2}npx mtl runs\n$/,
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
        train: { terms: { ctr: expect.any(Number) as number, ctcvr: expect.any(Number) as number } },
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

  it('with --json prints one object on stdout, and eval finds the same numbers to the last digit', async () => {
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
    // Where encoded rows cannot be kept beside the data, eval says so too.
    copyFileSync(join(world, 'valid.csv'), join(cwd, 'other.csv'));
    writeFileSync(join(cwd, '.mtl'), '');
    vi.stubEnv('XDG_CACHE_HOME', scratchFolder());
    expect((await mtl(cwd, ['eval', 'mine', '--data', 'other.csv'])).stdout).toMatch(/cannot write .*\.mtl \(EEXIST\)/);
    vi.unstubAllEnvs();
  });

  it('gives the same numbers for the same seed, and others for another', async () => {
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

  it('on raw tokens and scaled numbers keeps what it learned for eval', async () => {
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
  ] as const)('saves and ends at %s with exit code %i', async (signal, expected) => {
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

describe('a signal while test is measured', () => {
  it('ends the run at once, with the best weights as they were saved', async () => {
    const cwd = scratchFolder();
    // Test is train many times over, so that measuring it takes a while.
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

describe('what the user did wrong', () => {
  it.each([
    ['no command', [], 2, /expected a command/],
    ['an unknown command', ['trian', 'x'], 2, /unknown command; did you mean 'train'\?\n$/],
    ['an unknown command with --help', ['trian', '--help'], 2, /unknown command; did you mean 'train'\?\n$/],
    [
      'an unknown command of a command with -h',
      ['data', 'infos', '-h'],
      2,
      /unknown command; did you mean 'info'\?\n$/,
    ],
    [
      'an unknown option that is a key',
      ['train', config, '--epochs', '3'],
      2,
      /^error: --epochs: is no option; it is a key of the config: write --set training\.epochs=3\n$/,
    ],
    [
      'an unknown option by another name of a key',
      ['train', config, '--lr=0.1'],
      2,
      /^error: --lr: is no option; it is a key of the config: write --set training\.optimizer\.dense\.learningRate=0\.1 or --set training\.optimizer\.embeddings\.learningRate=0\.1 or --set training\.optimizer\.wide\.learningRate=0\.1\n$/,
    ],
    [
      'an unknown option that is nothing',
      ['train', config, '--zzz', '3'],
      2,
      /^error: --zzz: is no option; see mtl train --help\n$/,
    ],
    [
      'a word that is no command, and an option',
      ['zzzzz', '--force'],
      2,
      /^error: zzzzz: is no command or argument here; see mtl --help\n$/,
    ],
    [
      'a word that is no command',
      ['zzzzz', '--help'],
      2,
      /^error: zzzzz: is no command or argument here; see mtl --help\n$/,
    ],
    [
      'a key without what is above it',
      ['train', config, '--set', 'epochs=5'],
      2,
      /^error: --set epochs=5: epochs: unknown key; write --set training\.epochs=5\n$/,
    ],
    [
      'an argument too few',
      ['prepare', 'ali-ccp', 'raw'],
      2,
      /^error: an argument is missing: expected mtl prepare <data> <raw> <out>; see mtl prepare --help\n$/,
    ],
    [
      'a command of a command too few',
      ['data'],
      2,
      /^error: an argument is missing: expected mtl data <command>; see mtl data --help\n$/,
    ],
    ['an option without a value', ['train', config, '--threads'], 2, /^error: --threads: expected a value/],
    ['no config', ['train'], 2, /expected a config; write mtl train configs\/esmm.yaml, or --resume RUN/],
    ['a config that is not there', ['train', 'none.yaml'], 2, /error: none\.yaml: there is no such file/],
    [
      'an unknown key',
      ['train', config, '--set', 'modle.name=x'],
      2,
      /--set modle\.name=x: modle: unknown key; did you mean 'model'\?/,
    ],
    [
      'a device that is none',
      ['train', config, '--device', 'tpu'],
      2,
      /^error: invalid value: device is "tpu"; use one of "auto", "cpu", "gpu", "webgpu", "cuda"; see mtl train --help\n$/,
    ],
    [
      'data that is not there',
      ['train', config, '--set', 'data.test=/none.csv'],
      3,
      /data\.test: does not exist; correct the path; paths are relative to the config's directory/,
    ],
    [
      'data that is a folder of nothing',
      ['train', config, '--set', `data.test=${import.meta.dirname}`],
      3,
      /data\.test: is a directory.*or a CSV file\n$/,
    ],
    [
      'a run to resume that is not there',
      ['train', '--resume', 'none'],
      2,
      /^error: --resume none: there is no such folder; name a run/,
    ],
    [
      'a folder to resume that is no run',
      ['train', '--resume', '.'],
      2,
      /^error: --resume \.: is not the folder of a run: it holds no config\.resolved\.yaml; name a run/,
    ],
    ['no checkpoint', ['eval', '.'], 4, /holds no checkpoint/],
    ['a file to evaluate', ['eval', config], 4, /esmm\.yaml: is no folder; name a run or a checkpoint/],
    [
      'a path to evaluate that is too long',
      ['eval', 'x'.repeat(300)],
      4,
      /x: cannot be read \(ENAMETOOLONG\); name a run or a checkpoint/,
    ],
    [
      'a condition that no task has for its label',
      ['train', config, '--set', 'tasks.cvr.given=clik'],
      2,
      /--set tasks\.cvr\.given=clik: tasks\.cvr\.given: expected the label of another classification task \(click\), down to one that is given nothing, found "clik"; did you mean 'click'\?/,
    ],
    ['a run name that is none', ['train', config, '--name', '../x'], 2, /expected a folder name/],
    [
      'a name and a folder',
      ['train', config, '--name', 'a', '--run-dir', 'b'],
      2,
      /--name and --run-dir are mutually exclusive|--run-dir and --name are mutually exclusive/,
    ],
    ['an argument too many', ['train', config, '--', '--x'], 2, /--x: is one argument too many/],
    [
      'an option twice',
      ['train', config, '--device', 'cpu', '--device', 'auto'],
      2,
      /--device: is given more than once/,
    ],
    ['a path twice', ['predict', '.', '--data', 'a', '--out', 'b', '--out', 'c'], 2, /--out: is given more than once/],
    [
      'tables beyond any memory',
      ['train', config, '--set', 'features.user.encoding={sizes: {101: 2000000000}}'],
      3,
      /require \d+\.\d GiB.*, but (?:a WebAssembly memory|this machine) has .*'101' of 2000000000 rows × 16/,
    ],
    [
      'a config called like the link to the newest run',
      ['train', config, '--set', 'name=latest'],
      2,
      /'latest' is the link to the newest run/,
    ],
    ['rows that are no number', ['synth', 'x', '--train', 'many'], 2, /--train: expected an integer from 1 to/],
    ['a rate beyond 1', ['synth', 'x', '--click-rate', '1.5'], 2, /--click-rate: expected a number between 0 and 1/],
  ] as const)('%s: exit code and message say so', async (_, args, code, message) => {
    const finished = await mtl(scratchFolder(), args);
    expect(finished.stderr).toMatch(message);
    expect(finished.stderr).not.toMatch(/bug|\n {4}at /);
    expect([finished.code, finished.stdout]).toEqual([code, '']);
  });

  it('with --json is one object on stdout, too', async () => {
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

  it('a broken CSV: file, line, column and value, before a checkpoint is written', async () => {
    const cwd = scratchFolder();
    const rows = readFileSync(join(world, 'train.csv'), 'utf8').split('\n');
    const cells = rows[700]!.split(',');
    cells[2] = 'oops';
    rows[700] = cells.join(',');
    writeFileSync(join(cwd, 'train.csv'), rows.join('\n'));
    const broken = [...small(), '--set=data.train=train.csv', '--set=training.epochs=1'];
    const { code, stderr } = await mtl(cwd, ['train', config, ...broken]);
    expect(stderr).toMatch(
      /error: .*train\.csv:701: column "101": expected an id: a whole number in digits, found "oops"; correct the row, or where ids are texts, give the field encoding: { name: tokens }/,
    );
    expect(code).toBe(3);
    expect(existsSync(join(cwd, 'runs'))).toBe(false);

    const skipped = await mtl(cwd, ['train', config, ...broken, '--set=data.onBadRow=skip']);
    expect(skipped.code).toBe(0);
    expect(skipped.stdout).toContain('1 bad rows were skipped; they are in runs/esmm/001/rejects.csv');
    expect(readFileSync(join(cwd, 'runs', 'latest', 'rejects.csv'), 'utf8')).toMatch(/train\.csv,701,101,oops,/);
  });

  it('a folder of data that cannot be written: says once where encoded rows are kept instead', async () => {
    const cwd = scratchFolder();
    for (const split of ['train', 'valid', 'test'])
      copyFileSync(join(world, `${split}.csv`), join(cwd, `${split}.csv`));
    writeFileSync(join(cwd, '.mtl'), 'in the way');
    vi.stubEnv('XDG_CACHE_HOME', join(cwd, 'elsewhere'));
    const { code, stdout } = await mtl(cwd, [
      'train',
      config,
      '--set=training.epochs=1',
      ...['train', 'valid', 'test'].map((split) => `--set=data.${split}=${cwd}/${split}.csv`),
    ]);
    vi.unstubAllEnvs();
    expect(code).toBe(0);
    expect(stdout.match(/encoded rows are cached in .*elsewhere/g)).toHaveLength(1);
  });

  it('a learning rate that diverges: exit code 6 and the term', async () => {
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

  it.skipIf(!existsSync('/dev/full'))('a full disk: exit code 5, and no stack', async () => {
    const cwd = scratchFolder();
    // A run folder cannot be made below a file; /dev/full takes no byte.
    expect((await mtl(cwd, ['train', config, ...small(), '--run-dir', '/dev/full/run'])).code).toBe(5);
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', `"${process.execPath}" "${BIN}" config show "${config}" > /dev/full`],
      { cwd, encoding: 'utf8' },
    );
    expect([status, stderr]).toEqual([5, 'error: standard output: cannot be written (ENOSPC)\n']);
  });

  it('a link that leads to itself, and a folder that cannot be read: permission denied: told as what they are', async () => {
    const cwd = scratchFolder();
    symlinkSync('loop', join(cwd, 'loop'));
    const { code, stderr } = await mtl(cwd, ['eval', 'loop']);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/^error: loop: cannot be read \(ELOOP\); name a run/) as string,
    ]);
    // The superuser may read any folder.
    if (process.getuid?.() === 0) return;
    mkdirSync(join(cwd, 'locked'), { mode: 0o000 });
    expect((await mtl(cwd, ['eval', 'locked/run'])).stderr).toMatch(/^error: locked\/run: cannot be read \(EACCES\)/);
  });

  it('a folder that exists: refused, and left alone', async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'run'), 'mine');
    const { code } = await mtl(cwd, ['train', config, ...small(), '--run-dir', 'run']);
    expect(code).toBe(2);
    expect(readFileSync(join(cwd, 'run'), 'utf8')).toBe('mine');
  });
});

describe('mtl config', () => {
  it('shows a config that it reads again', async () => {
    const cwd = scratchFolder();
    const shown = await mtl(cwd, ['config', 'show', config, '--set', 'training.epochs=9']);
    expect([shown.code, shown.stderr]).toEqual([0, '']);
    writeFileSync(join(cwd, 'again.yaml'), shown.stdout);
    expect((await mtl(cwd, ['config', 'show', 'again.yaml'])).stdout).toBe(shown.stdout);
  });

  it('prints a JSON Schema that knows every model', async () => {
    const { stdout } = await mtl(scratchFolder(), ['config', 'schema']);
    const schema = JSON.parse(stdout) as { properties: Record<string, unknown>; required: string[] };
    expect(Object.keys(schema.properties)).toEqual(Object.keys(experimentSchema.shape));
    expect(schema.required).toEqual(['data', 'features', 'tasks', 'model']);
    for (const name of models.names) expect(stdout).toContain(`"${name}"`);
  });
});
