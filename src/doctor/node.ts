import { readFileSync } from 'node:fs';
import type { HealthCheck } from './health.js';

/** Checks the version of Node. */
export const node: HealthCheck = {
  name: 'Node',
  look() {
    const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      engines: { node: string };
    };
    const minimum = engines.node.replace('>=', '');
    const message = `${process.version} on ${process.platform} ${process.arch}`;
    return isAtLeast(process.versions.node, minimum)
      ? { state: 'ok', message }
      : {
          state: 'wrong',
          message: `${message}; expected ${minimum} or later`,
          fix: 'install a newer version from https://nodejs.org',
        };
  },
};

/** Whether `version` is at least `minimum`, both dotted numbers. */
export function isAtLeast(version: string, minimum: string): boolean {
  const [found, required] = [version, minimum].map((text) => text.split('.').map(Number));
  for (const [i, number] of required!.entries()) if ((found![i] ?? 0) !== number) return (found![i] ?? 0) > number;
  return true;
}
