import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { releaseProblems } from '../bin/check-release.js';

const root = join(import.meta.dirname, '..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const manifest = JSON.parse(read('package.json')) as Record<string, unknown> & { readonly version: string };
const CHANGELOG = '# Changelog\n\n## Unreleased\n\n- x\n\n## 1.2.3\n\n- **Data**: CSV.\n\n## 1.2.2\n\nNothing.\n';
const chart = (version: string): string => `apiVersion: v2\nversion: ${version}\nappVersion: "${version}"\n`;

describe('bin/check-release.js', () => {
  it('accepts a tag with the version of the package, of the chart and of a section of the changelog', () => {
    expect(releaseProblems('v1.2.3', '1.2.3', CHANGELOG, chart('1.2.3'))).toEqual([]);
  });

  it.each([
    ['v1.2.4', '1.2.3', "the tag is 'v1.2.4', but package.json has version 1.2.3; tag the commit v1.2.3"],
    ['v1.3', '1.3', 'package.json: "version" is not a semantic version: "1.3"; use one as in 1.2.3'],
    ['v1.3.0', '1.3.0', 'CHANGELOG.md has no section "## 1.3.0"; rename "## Unreleased" to "## 1.3.0"'],
    ['v1.2.2', '1.2.2', 'CHANGELOG.md: section 1.2.2 lists no change'],
  ])('rejects %s of version %s', (tag, version, problem) => {
    expect(releaseProblems(tag, version, CHANGELOG, chart(version))).toContain(problem);
  });

  it('rejects a chart of another version', () => {
    const other = `version: 1.2.3\nappVersion: 1.2.2\n`;
    expect(releaseProblems('v1.2.3', '1.2.3', CHANGELOG, other)).toEqual([
      "deploy/helm/mtl/Chart.yaml: appVersion is '1.2.2', but package.json has 1.2.3; set 1.2.3",
    ]);
  });

  it('ends with code 1 and the fix', () => {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'bin', 'check-release.js'), 'v0.0.0'], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([1, expect.stringContaining(`tag the commit v${manifest.version}\n`) as string]);
  });
});

describe('a release', () => {
  it('is public, has provenance and the command mtl', () => {
    expect(manifest).toMatchObject({
      name: 'mtl-recommender',
      publishConfig: { access: 'public', provenance: true },
      bin: { mtl: 'bin/mtl.js' },
    });
    expect(manifest).not.toHaveProperty('private');
  });

  it('has a changelog with a title, sections of versions, and groups of changes', () => {
    const headings = [...read('CHANGELOG.md').matchAll(/^#+ .*$/gm)].map(([heading]) => heading);
    expect(headings.slice(0, 2)).toEqual(['# Changelog', '## Unreleased']);
    for (const heading of headings.slice(1))
      expect(heading).toMatch(
        /^## (?:Unreleased|\d+\.\d+\.\d+)$|^### (?:Added|Changed|Deprecated|Removed|Fixed|Security)$/,
      );
  });

  it('is checked and tested on a tag before it is published, by a workflow that may sign', () => {
    const { on, jobs } = parse(read('.github/workflows/release.yml')) as {
      readonly on: unknown;
      readonly jobs: Record<
        string,
        { readonly permissions: unknown; readonly steps: readonly { readonly run?: string }[] }
      >;
    };
    expect(on).toEqual({ push: { tags: ['v*'] } });
    const { permissions, steps } = jobs['publish']!;
    expect(permissions).toEqual({ contents: 'read', 'id-token': 'write' });
    expect(steps.flatMap(({ run }) => run ?? [])).toEqual([
      'node bin/check-release.js "$GITHUB_REF_NAME"',
      'node bin/setup.js',
      'npm test',
      'npm audit --audit-level=high',
      'node bin/build-types.js',
      'npm pkg set "repository.url=git+$REPOSITORY.git" "bugs.url=$REPOSITORY/issues" "homepage=$REPOSITORY#readme"',
      'pip install ziglang',
      'npm run build:prebuilt -- --write-dependencies',
      'for package in npm/*/; do npm publish "$package" || exit 1; done',
      'npm publish --ignore-scripts',
    ]);
  });
});

describe('the repository', () => {
  const workflows = join('.github', 'workflows');
  const files = readdirSync(join(root, workflows)).map((name) => join(workflows, name));

  it('is named by the package, with its issues and its page', () => {
    const { repository, bugs, homepage } = manifest as Record<string, unknown>;
    const [, url] = /^git\+(https:\/\/.*)\.git$/.exec((repository as { readonly url: string }).url) ?? [];
    expect([bugs, homepage]).toEqual([{ url: `${url}/issues` }, `${url}#readme`]);
  });

  it.each(files)('runs actions of one commit each, with the version as a comment, in %s', (file) => {
    const uses = read(file).match(/uses:.*/g) ?? [];
    expect(uses).not.toHaveLength(0);
    for (const action of uses) expect(action).toMatch(/^uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  type Jobs = Readonly<
    Record<
      string,
      {
        readonly strategy?: { readonly matrix: Readonly<Record<string, readonly string[]>> };
        readonly steps: readonly { readonly run?: string }[];
      }
    >
  >;
  const jobsOf = (file: string): Jobs => (parse(read(join(workflows, file))) as { readonly jobs: Jobs }).jobs;
  const commandsOf = (jobs: Jobs, job: string): string[] => jobs[job]!.steps.flatMap(({ run }) => run ?? []);

  it('is tested on the oldest Node that the package accepts, on newer versions and on the newest', () => {
    const { node } = jobsOf('test.yml')['test']!.strategy!.matrix;
    expect(manifest['engines']).toEqual({ node: `>=${node![0]}` });
    expect(node!.slice(1)).toEqual(['22', '24', 'latest']);
  });

  it('is tested on macOS and Windows, and by the scripts that run on any machine', () => {
    const jobs = jobsOf('test.yml');
    expect(jobs['system']!.strategy!.matrix).toEqual({ system: ['macos-latest', 'windows-latest'] });
    expect(commandsOf(jobs, 'system')).toEqual(['npm ci && npm test']);
    expect(commandsOf(jobs, 'change')).toEqual(['.ci/run']);
    expect(commandsOf(jobsOf('nightly.yml'), 'all')).toEqual(['.ci/nightly']);
  });

  it('asks for the command, the output and the machine in a report of a bug', () => {
    const { body } = parse(read('.github/ISSUE_TEMPLATE/bug.yml')) as {
      readonly body: readonly { readonly id: string; readonly validations: { readonly required: boolean } }[];
    };
    const required = body.filter(({ validations }) => validations.required).map(({ id }) => id);
    expect(required).toEqual(['command', 'output', 'expected', 'doctor']);
  });
});
