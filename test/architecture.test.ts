import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as aggregates from '../src/data/aggregates/all.js';
import * as admissions from '../src/features/admissions/all.js';
import * as bottoms from '../src/bottoms/all.js';
import * as calibrations from '../src/evaluation/calibration/all.js';
import * as delays from '../src/delay/all.js';
import * as encodings from '../src/features/encodings/all.js';
import * as evictions from '../src/features/evictions/all.js';
import * as formats from '../src/export/all.js';
import * as features from '../src/features/all.js';
import * as losses from '../src/losses/all.js';
import * as metrics from '../src/evaluation/all.js';
import * as models from '../src/models/all.js';
import * as optimizers from '../src/optimizers/all.js';
import * as schedules from '../src/schedules/all.js';
import * as trackers from '../src/track/all.js';
import * as domains from '../src/study/domains/all.js';
import * as launchers from '../src/study/launchers/all.js';
import * as searches from '../src/study/searches/all.js';
import * as encoders from '../src/sequences/all.js';
import * as weightings from '../src/weightings/all.js';

// Rules of the source tree, checked on the sources themselves.

const SRC = join(import.meta.dirname, '..', 'src');
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .map((path) => ({ path, text: readFileSync(join(SRC, path), 'utf8') }));
const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');

/** The module of a file: its directory, or its own name if it is at the root of src. */
const moduleOf = (path: string): string =>
  path.includes('/') ? path.slice(0, path.indexOf('/')) : path.replace(/\.(ts|js)$/, '');

/** Modules that every other may import. */
const SHARED = ['core', 'io', 'system', 'text'];

/** Modules that each module may import, beside the shared ones and itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  text: [],
  core: ['text'],
  system: ['core'],
  io: ['core', 'system'],
  chunks: [],
  cluster: [],
  graph: [],
  bottoms: ['graph'],
  sequences: ['graph'],
  losses: ['graph'],
  delay: ['features', 'graph', 'losses'],
  models: ['bottoms', 'delay', 'graph', 'losses', 'sequences'],
  optimizers: [],
  schedules: [],
  weightings: [],
  features: ['chunks', 'sequences', 'tables'],
  data: ['chunks', 'delay', 'features'],
  tables: ['sequences'],
  engines: ['graph', 'optimizers', 'tables'],
  evaluation: [],
  // `options.ts` composes the options of optimizers, schedules and weightings.
  training: ['engines', 'evaluation', 'graph', 'optimizers', 'schedules', 'weightings'],
  track: ['evaluation', 'training'],
  runs: ['data', 'engines', 'evaluation', 'features', 'tables', 'track', 'training'],
  synth: [],
  config: ['data', 'delay', 'evaluation', 'features', 'graph', 'losses', 'models', 'runs', 'track', 'training'],
  'warm-start': [
    'config',
    'data',
    'engines',
    'features',
    'graph',
    'models',
    'optimizers',
    'runs',
    'tables',
    'trained-model',
  ],
  pretrained: ['chunks', 'data', 'engines', 'features', 'warm-start'],
  teachers: ['baseline', 'config', 'data', 'engines', 'evaluation', 'losses', 'predict', 'runs', 'trained-model'],
  inputs: [
    'config',
    'data',
    'engines',
    'evaluation',
    'features',
    'graph',
    'models',
    'tables',
    'teachers',
    'warm-start',
  ],
  train: [
    'baseline',
    'config',
    'data',
    'engines',
    'evaluation',
    'features',
    'graph',
    'inputs',
    'pretrained',
    'runs',
    'tables',
    'training',
  ],
  baseline: ['data', 'engines', 'evaluation', 'features', 'losses', 'models', 'optimizers', 'tables', 'training'],
  'baseline.ts': [
    'baseline',
    'config',
    'data',
    'diff',
    'evaluation',
    'features',
    'inputs',
    'losses',
    'models',
    'runs',
    'training',
    'warm-start',
  ],
  evaluate: ['data', 'engines', 'evaluation', 'tables', 'trained-model', 'training'],
  'trained-model': [
    'config',
    'data',
    'engines',
    'evaluation',
    'features',
    'graph',
    'models',
    'optimizers',
    'runs',
    'tables',
  ],
  index: ['config', 'data', 'evaluate', 'evaluation', 'predict', 'predict.ts', 'train', 'trained-model', 'training'],
  export: ['engines', 'evaluation', 'features', 'graph', 'sequences', 'tables'],
  'export.ts': ['engines', 'evaluate', 'export', 'runs', 'trained-model'],
  predict: ['chunks', 'data', 'engines', 'evaluation'],
  'predict.ts': ['data', 'engines', 'evaluation', 'predict', 'tables', 'trained-model'],
  study: ['config', 'charts', 'evaluation', 'runs', 'training'],
  sweep: ['config', 'engines', 'runs', 'study', 'train'],
  check: ['config', 'data', 'engines', 'features', 'inputs', 'train', 'training'],
  'check.ts': ['check', 'config', 'data', 'engines', 'inputs', 'pretrained', 'runs', 'train'],
  init: ['bottoms', 'crosses', 'data', 'evaluation', 'features', 'models', 'schedules', 'sequences'],
  'init.ts': ['config', 'data', 'init', 'models'],
  diff: ['chunks', 'config', 'data', 'engines', 'evaluate', 'evaluation', 'runs', 'trained-model', 'training'],
  'diff.ts': ['data', 'diff', 'evaluation', 'runs', 'trained-model'],
  promote: ['data', 'diff', 'diff.ts', 'runs'],
  'promote.ts': ['diff', 'diff.ts', 'promote', 'runs'],
  doctor: ['cluster', 'engines', 'runs'],
  'doctor.ts': ['doctor'],
  importance: ['charts', 'chunks', 'config', 'data', 'engines', 'evaluation', 'features', 'graph', 'runs'],
  crosses: ['chunks', 'features'],
  'crosses.ts': ['chunks', 'config', 'crosses', 'data'],
  'importance.ts': ['data', 'engines', 'evaluate', 'importance', 'trained-model', 'training'],
  explain: ['charts', 'trained-model'],
  'explain.ts': ['data', 'engines', 'evaluate', 'evaluation', 'predict.ts', 'trained-model'],
  charts: [],
  report: ['charts', 'diff', 'evaluation', 'runs'],
  'report.ts': ['charts', 'config', 'diff.ts', 'evaluation', 'report', 'runs'],
  board: ['charts', 'report.ts', 'runs', 'serve', 'study'],
  'board.ts': ['board', 'serve'],
  serve: ['chunks', 'config', 'data', 'diff', 'engines', 'evaluation', 'features', 'runs', 'tables', 'trained-model'],
  'serve.ts': ['serve'],
  live: [],
  'live.ts': ['config', 'live', 'runs'],
  prepare: ['chunks', 'data', 'features'],
  'prepare.ts': ['prepare'],
  'synth.ts': ['evaluation', 'synth'],
  cli: [
    'baseline.ts',
    'board.ts',
    'check.ts',
    'cluster',
    'config',
    'crosses.ts',
    'diff',
    'diff.ts',
    'doctor.ts',
    'data',
    'engines',
    'evaluation',
    'explain',
    'explain.ts',
    'runs',
    'importance',
    'importance.ts',
    'init.ts',
    'live.ts',
    'predict',
    'predict.ts',
    'prepare',
    'prepare.ts',
    'promote.ts',
    'report.ts',
    'serve.ts',
    'study',
    'sweep',
    'synth',
    'synth.ts',
    'tables',
    'train',
    'evaluate',
    'export',
    'export.ts',
    'training',
  ],
};

/** In data-flow order: a module of the data path may import the earlier ones. */
const DATA_MODULES = [
  'dialect',
  'sampling-options',
  'aggregates',
  'counter-options',
  'lookup-options',
  'follow-options',
  'join-options',
  'sequence-options',
  'options',
  'readers',
  'objects',
  'rows',
  'shards',
  'cache',
  'batches',
  'replay',
  'encoding',
  'pipeline',
  'counters',
  'sources',
  'histories',
  'streams',
  'states',
  'info',
];

function importsOf({ path, text }: { path: string; text: string }): string[] {
  return [...withoutComments(text).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, target]) =>
    normalize(join(dirname(path), target!)),
  );
}

/** Commands that share their name with a module. */
const VERBS = [
  'board.ts',
  'baseline.ts',
  'check.ts',
  'crosses.ts',
  'diff.ts',
  'doctor.ts',
  'explain.ts',
  'export.ts',
  'importance.ts',
  'init.ts',
  'live.ts',
  'predict.ts',
  'prepare.ts',
  'promote.ts',
  'report.ts',
  'serve.ts',
  'synth.ts',
];
const moduleKey = (path: string): string =>
  VERBS.find((verb) => path.replace(/\.js$/, '.ts') === verb) ?? moduleOf(path);

describe('the source tree', () => {
  it('lets a module import only the modules listed for it', () => {
    const breaches = files.flatMap((file) => {
      const module = moduleKey(file.path);
      const allowed = new Set([...SHARED, module, ...(MAY_IMPORT[module] ?? [])]);
      return importsOf(file)
        .filter((target) => !allowed.has(moduleKey(target)))
        .map((target) => `${file.path} imports ${target}`);
    });
    expect(breaches).toEqual([]);
  });

  it('lists no import that a module does not have', () => {
    const unused = Object.entries(MAY_IMPORT).flatMap(([module, allowed]) => {
      const used = new Set(
        files
          .filter(({ path }) => moduleKey(path) === module)
          .flatMap(importsOf)
          .map(moduleKey),
      );
      return allowed.filter((other) => !used.has(other)).map((other) => `${module} does not import ${other}`);
    });
    expect(unused).toEqual([]);
  });

  it('has no import cycle between modules', () => {
    const below = (module: string, seen: readonly string[]): string[] => {
      expect(seen).not.toContain(module);
      return (MAY_IMPORT[module] ?? []).flatMap((next) => below(next, [...seen, module]));
    };
    for (const module of Object.keys(MAY_IMPORT)) expect(below(module, [])).toEqual([]);
  });

  it('has no import cycle between files', () => {
    const imports = new Map(
      files.map((file) => [file.path, importsOf(file).map((target) => target.replace(/\.js$/, '.ts'))]),
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const walk = (path: string, above: readonly string[]): void => {
      if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(' -> '));
      if (above.includes(path) || done.has(path)) return;
      for (const target of imports.get(path) ?? []) walk(target, [...above, path]);
      done.add(path);
    };
    for (const path of imports.keys()) walk(path, []);
    expect(circles).toEqual([]);
  });

  it('orders the modules of the data path by data flow', () => {
    const dataModule = (path: string): string => path.split('/')[1]!.replace(/\.(ts|js)$/, '');
    const breaches = files
      .filter(({ path }) => path.startsWith('data/'))
      .flatMap((file) =>
        importsOf(file)
          .filter(
            (target) =>
              target.startsWith('data/') &&
              DATA_MODULES.indexOf(dataModule(target)) > DATA_MODULES.indexOf(dataModule(file.path)),
          )
          .map((target) => `${file.path} imports ${target}`),
      );
    expect(breaches).toEqual([]);
  });

  it('lists every module in the table', () => {
    expect(Object.keys(MAY_IMPORT).sort()).toEqual([...new Set(files.map(({ path }) => moduleKey(path)))].sort());
  });

  it('imports TensorFlow.js in one module only', () => {
    expect(
      files
        .filter(({ text }) => text.includes('@tensorflow/'))
        .map(({ path }) => path)
        .filter((path) => !path.startsWith('engines/tfjs/')),
    ).toEqual([]);
  });

  it('imports an engine within engines/ only in engines.ts, which creates them', () => {
    const engineOf = (path: string): string | undefined => /^engines\/(cpu|tfjs|webgpu)\//.exec(path)?.[1];
    const breaches = files
      .filter(({ path }) => path.startsWith('engines/') && path !== 'engines/engines.ts')
      .flatMap((file) =>
        importsOf(file)
          .filter((target) => engineOf(target) !== undefined && engineOf(target) !== engineOf(file.path))
          .map((target) => `${file.path} imports ${target}`),
      );
    expect(breaches).toEqual([]);
  });

  it('reads the clock in one file and uses only seeded randomness', () => {
    expect(files.filter(({ text }) => text.includes('Date.now')).map(({ path }) => path)).toEqual(['system/clock.ts']);
    expect(files.filter(({ text }) => text.includes('Math.random')).map(({ path }) => path)).toEqual([]);
  });

  it('reads arguments and writes to stdout only in cli', () => {
    const outside = files.filter(({ path }) => !path.startsWith('cli/'));
    // environment.json records the command.
    expect(outside.filter(({ text }) => /process\.argv/.test(text)).map(({ path }) => path)).toEqual([
      'runs/run-log.ts',
    ]);
    expect(
      outside
        .filter(({ text }) => /process\.std(out|err)|console\./.test(withoutComments(text)))
        .map(({ path }) => path),
    ).toEqual([]);
  });

  it('quotes the name of a component only in its own file', () => {
    const parts: Record<string, { name: string }>[] = [
      admissions,
      aggregates,
      bottoms,
      calibrations,
      delays,
      domains,
      encoders,
      encodings,
      evictions,
      features,
      formats,
      launchers,
      losses,
      metrics,
      models,
      optimizers,
      schedules,
      trackers,
      searches,
      weightings,
    ];
    // Words with another meaning elsewhere: kinds of input columns and optimizer rules, types of options, names of states, and
    // choices such as auto, none, home, local, random and uniform.
    const kinds = [
      'auto',
      'bag',
      'command',
      'constant',
      'date',
      'embeddings',
      'hash',
      'home',
      'int',
      'local',
      'none',
      'pooling',
      'precision',
      'probability',
      'random',
      'recall',
      'search',
      'sequence',
      'uniform',
      'vector',
      'window',
    ];
    const names = parts
      .flatMap((namespace) => Object.values(namespace).map(({ name }) => name))
      .filter((name) => !kinds.includes(name));
    // Arguments of kernels are no components.
    const quoted = files
      .filter(({ path }) => !path.endsWith('kernel-signatures.ts'))
      .flatMap(({ path, text }) =>
        names
          .filter(
            (name) =>
              new RegExp(`['"\`]${name}['"\`]`).test(withoutComments(text)) && !text.includes(`name: '${name}'`),
          )
          .map((name) => `${path} quotes '${name}'`),
      );
    expect(quoted).toEqual([]);
  });

  it('depends on the kind of a field only in features/kinds', () => {
    // `hasTable`; columns of blocks and of shards are storage.
    const others = [
      'features/feature.ts',
      'data/batches/ordered-rows.ts',
      'data/shards/counts.ts',
      'data/shards/shard-view.ts',
      'data/shards/tensors.ts',
      'data/shards/writer.ts',
      'data/sources/shard-source.ts',
    ];
    const branches = files
      .filter(({ path }) => /^(features|data)\//.test(path) && !path.startsWith('features/kinds/'))
      .filter(({ path }) => !others.includes(path))
      .filter(({ text }) =>
        /(?<!rule\??\.)\bkind [!=]== '(id|number|bag|vector|item|itemNumber)'/.test(withoutComments(text)),
      );
    expect(branches.map(({ path }) => path)).toEqual([]);
  });

  it("names an optimizer's kernels only in its own files", () => {
    const kernels = [...new Set(Object.values(optimizers).map(({ kernel }) => kernel))];
    const kernelFiles = readdirSync(join(SRC, 'kernels'), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.[ch]$/.test(path))
      .map((path) => ({ path: `kernels/${path}`, text: readFileSync(join(SRC, 'kernels', path), 'utf8') }));
    // The list of all rules, and the files that the build generates from it.
    const lists = ['kernels/updates.c', 'kernels/kernel-calls.h', 'engines/compile/kernel-signatures.ts'];
    const own = (kernel: string, { path, text }: { path: string; text: string }): boolean =>
      path.startsWith('kernels/rule-') || lists.includes(path) || text.includes(`kernel: '${kernel}'`);
    const namesKernel = (kernel: string, text: string): boolean =>
      new RegExp(`['"\`]${kernel}['"\`]|\\b${kernel}[A-Z_]\\w*`).test(withoutComments(text));
    const named = [...files, ...kernelFiles].flatMap((file) =>
      kernels
        .filter((kernel) => namesKernel(kernel, file.text) && !own(kernel, file))
        .map((kernel) => `${file.path} names ${kernel}`),
    );
    expect(named).toEqual([]);
  });

  it('limits files to 400 lines', () => {
    const lines = files.map(({ path, text }) => ({ path, count: text.split('\n').length - 1 }));
    expect(lines.filter(({ count }) => count > 400)).toEqual([]);
  });

  it('casts no `any`', () => {
    expect(
      files
        .filter(({ text }) => /\bany\b(?=[;,)>\]|])|: any\b|as any\b/.test(withoutComments(text)))
        .map(({ path }) => path),
    ).toEqual([]);
  });

  it('documents every exported function', () => {
    const bare = files.flatMap(({ path, text }) =>
      [...text.matchAll(/(^|\n)(?<before>[^\n]*)\nexport (?:async )?function\*? (?<name>\w+)/g)]
        .filter(({ groups }) => !groups!['before']!.trimEnd().endsWith('*/'))
        .map(({ groups }) => `${path}: ${groups!['name']}`),
    );
    expect(bare).toEqual([]);
  });

  it('states contracts in docstrings, in more than three words and with nouns', () => {
    const poor = files.flatMap(({ path, text }) =>
      [...text.matchAll(/\/\*\*([^]*?)\*\//g)]
        .map(([, comment]) =>
          comment!
            .replace(/^\s*\*/gm, ' ')
            .replace(/\s+/g, ' ')
            .trim(),
        )
        .filter((words) => /\b(?:those|that) of\b|\bof these\b/i.test(words) || !/(?:\S+ ){3}|@/.test(words))
        .map((words) => `${path}: ${words}`),
    );
    expect(poor).toEqual([]);
  });

  it('names no exported function after what it is of', () => {
    const named = files.flatMap(({ path, text }) =>
      [...text.matchAll(/\nexport (?:async )?(?:function\*?|const) (\w+Of)\b/g)].map(([, name]) => `${path}: ${name}`),
    );
    expect(named).toEqual([]);
  });
});
