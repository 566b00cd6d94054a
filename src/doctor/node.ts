import { readFileSync } from 'node:fs';
import type { HealthCheck } from './health.js';

/** Whether Node is new enough. */
export const node: HealthCheck = {
  name: 'Node',
  look() {
    const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      engines: { node: string };
    };
    const least = engines.node.replace('>=', '');
    const message = `${process.version} on ${process.platform} ${process.arch}`;
    return isAtLeast(process.versions.node, least)
      ? { state: 'ok', message }
      : {
          state: 'wrong',
          message: `${message}; expected ${least} or later`,
          fix: 'install a newer one from https://nodejs.org',
        };
  },
};

/** Whether a version is another one or later, number by number. */
export function isAtLeast(version: string, least: string): boolean {
  const [found, wanted] = [version, least].map((text) => text.split('.').map(Number));
  for (const [i, number] of wanted!.entries()) if ((found![i] ?? 0) !== number) return (found![i] ?? 0) > number;
  return true;
}
