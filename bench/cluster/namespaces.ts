import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { between, type Place } from './jobs.js';

// Simulates two machines on one: network namespaces with their own host names, joined by a pair of virtual interfaces.

/** Address block for benchmarks (RFC 2544). */
const NETWORK = '198.18.213.0/24';
const addressOf = (host: number): string => `198.18.213.${host}`;
const HOSTS = ['mtl-bench-1', 'mtl-bench-2'];
const DEVICES = ['mtlbench1', 'mtlbench2'];
/**
 * Burst size of the rate limiter: a tenth of a millisecond of data, and at least about one segment that the kernel
 * hands over.
 */
const burstBytes = (gigabits: number): number => Math.max(32_768, (gigabits * 1e9) / 8 / 1e4);

const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Returns the reason why namespaces are unavailable, or undefined. */
export function whyNoNamespaces(): string | undefined {
  const missing = ['ip', 'tc', 'unshare'].filter(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status !== 0,
  );
  if (missing.length > 0) return `there is no ${missing.join(', ')}: apt-get install iproute2 util-linux`;
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    build();
    limit(1);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  } finally {
    remove();
  }
}

function build(): void {
  remove();
  for (const host of HOSTS) {
    run('ip', 'netns', 'add', host);
    run('ip', '-n', host, 'link', 'set', 'lo', 'up');
    // Reno exists on every Linux and does no pacing of its own.
    run('ip', 'netns', 'exec', host, 'sh', '-c', 'echo reno > /proc/sys/net/ipv4/tcp_congestion_control');
  }
  run(
    'ip',
    'link',
    'add',
    DEVICES[0]!,
    'netns',
    HOSTS[0]!,
    'type',
    'veth',
    'peer',
    'name',
    DEVICES[1]!,
    'netns',
    HOSTS[1]!,
  );
  for (const [h, host] of HOSTS.entries()) {
    run('ip', '-n', host, 'addr', 'add', `${addressOf(h + 1)}/24`, 'dev', DEVICES[h]!);
    run('ip', '-n', host, 'link', 'set', DEVICES[h]!, 'up');
  }
}

/** Limits both directions. */
function limit(gigabits: number): void {
  for (const [h, host] of HOSTS.entries()) {
    run(
      'tc',
      '-n',
      host,
      'qdisc',
      'replace',
      'dev',
      DEVICES[h]!,
      'root',
      'tbf',
      'rate',
      `${gigabits}gbit`,
      'burst',
      String(burstBytes(gigabits)),
      'latency',
      '50ms',
    );
  }
}

function remove(): void {
  for (const host of HOSTS) spawnSync('ip', ['netns', 'del', host], { stdio: 'ignore' });
}

/** Sets the host name in the namespace before the command runs. */
const ENTER = 'exec ip netns exec "$host" unshare --uts sh -c "echo $host > /proc/sys/kernel/hostname; $*"';

/**
 * Runs work with two simulated machines and a link of the given gigabits per second.
 * @param folder for the script that starts programs on a machine, in place of ssh
 */
export async function withLink<Result>(
  folder: string,
  gigabits: number,
  work: (place: Place) => Promise<Result>,
): Promise<Result> {
  const agent = join(folder, 'agent.sh');
  writeFileSync(agent, `#!/bin/sh\nhost=$1\nshift\n${ENTER}\n`);
  chmodSync(agent, 0o755);
  try {
    build();
    limit(gigabits);
    return await work(between(HOSTS, [agent, HOSTS[0]!], agent, NETWORK));
  } finally {
    remove();
  }
}
