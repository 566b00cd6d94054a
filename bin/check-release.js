#!/usr/bin/env node
// Compares a Git tag with the versions of the package and the Helm chart and with the changelog: exit code 1 if a
// release would differ.
// Usage: node bin/check-release.js v1.2.3
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const CHART = 'deploy/helm/mtl/Chart.yaml';

/**
 * Returns why a tag cannot be released, from the version of package.json and the texts of CHANGELOG.md and Chart.yaml.
 */
export function releaseProblems(tag, version, changelog, chart) {
  const problems = [];
  if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
    problems.push(`package.json: "version" is not a semantic version: "${version}"; use one as in 1.2.3`);
  if (tag !== `v${version}`)
    problems.push(`the tag is '${tag}', but package.json has version ${version}; tag the commit v${version}`);
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.split(/\s/, 1)[0] === version);
  if (section === undefined)
    problems.push(`CHANGELOG.md has no section "## ${version}"; rename "## Unreleased" to "## ${version}"`);
  else if (!/^- /m.test(section)) problems.push(`CHANGELOG.md: section ${version} lists no change`);
  for (const key of ['version', 'appVersion']) {
    const [, found] = new RegExp(`^${key}: *"?([^"\\s]*)`, 'm').exec(chart) ?? [];
    if (found !== version)
      problems.push(`${CHART}: ${key} is '${found}', but package.json has ${version}; set ${version}`);
  }
  return problems;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
  const problems = releaseProblems(
    process.argv[2] ?? '',
    JSON.parse(read('package.json')).version,
    read('CHANGELOG.md'),
    read(CHART),
  );
  for (const problem of problems) process.stderr.write(`check-release: ${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
