import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { z } from 'zod';
import { experimentSchema } from '../../src/config/experiment.js';
import { studyOptions } from '../../src/study/options.js';
import { codeBlocks } from '../support/code-blocks.js';
import { docsPages, GENERATED_PAGES, readPage } from '../support/pages.js';

/** Options of every command. */
const COMMON = ['help', 'version'];
/** Top-level keys of YAML examples that are not configs of mtl. */
const OTHER_FILES = ['apiVersion', 'services', 'scrape_configs'];

const pages = ['README.md', 'CONTRIBUTING.md', 'data/README.md', ...docsPages].filter(
  (page) => !GENERATED_PAGES.includes(page),
);

/** The options of each command in the command reference, which equals the definitions (cli-page.test.ts). */
function commandOptions(): ReadonlyMap<string, readonly string[]> {
  const [, ...sections] = readPage('docs/reference/cli.md').split('\n## mtl ');
  return new Map(
    sections.map((section) => {
      const options = [...section.split('\n## ')[0]!.matchAll(/^\| `--([\w-]+)`/gm)].map(([, name]) => name!);
      return [section.slice(0, section.indexOf('\n')), [...COMMON, ...options]];
    }),
  );
}

/** A use of a command: its words, and the options given to it. */
interface Use {
  readonly command: string;
  readonly options: readonly string[];
}

/** Finds the commands of mtl in code blocks and inline code; a backslash continues a line. */
function usesIn(page: string, commands: readonly string[]): readonly Use[] {
  const fences = [...page.matchAll(/^```\w*\n([^]*?)^```$/gm)].map(([, text]) => text!);
  const spans = [...page.replace(/^```[^]*?^```$/gm, '').matchAll(/`((?:npx )?mtl [^`]*)`/g)].map(([, text]) => text!);
  return [...fences, ...spans]
    .flatMap((text) => text.replaceAll('\\\n', ' ').split('\n'))
    .flatMap((line) => line.replace(/\s#.*$/, '').split(/&&|\|\||[|;]/))
    .flatMap((text) => {
      const [, words] = /(?:^|[\s"'$(])mtl ([a-z][\w-]*(?: [^]*)?)$/.exec(text) ?? [];
      if (words === undefined) return [];
      const [first, second] = words.split(/\s+/);
      const command = [`${first} ${second}`, first!].find((each) => commands.includes(each));
      const options = [...words.matchAll(/(?:^|\s)--([a-z][\w-]*)/g)].map(([, name]) => name!);
      return command === undefined ? [] : [{ command, options }];
    });
}

/** The paths of keys that a strict schema does not know, also below a union if no member knows them. */
function unknownKeys(issues: readonly z.core.$ZodIssue[]): readonly string[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...issue.path, key].join('.'));
    if (issue.code !== 'invalid_union') return [];
    const members = issue.errors.map((errors) => unknownKeys(errors));
    const [fewest = []] = members.toSorted((a, b) => a.length - b.length);
    return fewest.map((key) => [...issue.path, key].join('.'));
  });
}

/** The unknown keys of a YAML example, which may be a part of a config or of a study. */
function unknownKeysOf(yaml: string): readonly string[] {
  const example: unknown = parse(yaml);
  // Every key is commented out.
  if (example === null) return [];
  const keys = Object.keys(example as object);
  if (keys.some((key) => OTHER_FILES.includes(key))) return [];
  const isStudy = 'space' in (example as object);
  const result = (isStudy ? studyOptions : experimentSchema).safeParse(example);
  return result.success ? [] : unknownKeys(result.error.issues);
}

describe('examples of the documentation', () => {
  const options = commandOptions();
  const commands = [...options.keys()];

  it('finds a command, its options, and an unknown one', () => {
    const page =
      '```sh\nnpx mtl runs prune --keep-last 2 | cat --wrong   # --wrong\n```\n`mtl eval RUN --segment-by hour`\n';
    expect(usesIn(page, ['runs', 'runs prune', 'eval'])).toEqual([
      { command: 'runs prune', options: ['keep-last'] },
      { command: 'eval', options: ['segment-by'] },
    ]);
  });

  it('finds unknown keys at any depth', () => {
    expect(unknownKeysOf('training: { epoch: 1, optimizer: { dense: { name: adam, rate: 1 } } }')).toEqual([
      'training.optimizer.dense.rate',
      'training.epoch',
    ]);
    expect(unknownKeysOf('trainings: {}')).toEqual(['trainings']);
  });

  it('has uses of most commands', () => {
    const used = new Set(pages.flatMap((page) => usesIn(readPage(page), commands).map(({ command }) => command)));
    expect(used.size).toBeGreaterThan(20);
  });

  it.each(pages)('%s uses options that the commands have', (page) => {
    const unknown = usesIn(readPage(page), commands).flatMap(({ command, options: given }) =>
      given
        .filter(
          (name) => !options.get(command)!.includes(name.replace(/^no-/, '')) && !options.get(command)!.includes(name),
        )
        .map((name) => `mtl ${command} --${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it.each(pages)('%s has YAML with keys that configs have', (page) => {
    const blocks = codeBlocks(readPage(page)).filter(({ language }) => language === 'yaml');
    expect(blocks.flatMap(({ text }) => unknownKeysOf(text))).toEqual([]);
  });
});
