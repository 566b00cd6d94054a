import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { between, type Place } from './jobs.js';

// Two machines within one: network namespaces, each with a name of its own as a host, which a pair of virtual
// interfaces joins.

/** Addresses of the block for benchmarks (RFC 2544). */
const NETWORK = '198.18.213.0/24';
const addressOf = (host: number): string => `198.18.213.${host}`;
const HOSTS = ['mtl-bench-1', 'mtl-bench-2'];
const DEVICES = ['mtlbench1', 'mtlbench2'];
/**
 * What passes at once before a rate holds: what comes in a tenth of a millisecond, and not much less than the kernel
 * hands over in one piece.
 */
const burstBytes = (gigabits: number): number => Math.max(32_768, (gigabits * 1e9) / 8 / 1e4);

const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Why there can be no namespaces here; undefined where there can. */
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
    // Whatever this machine has chosen: one that every Linux has, and that measures no rate of its own.
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

/** Both directions send no more than so much. */
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

/** What a host runs begins with its name. */
const ENTER = 'exec ip netns exec "$host" unshare --uts sh -c "echo $host > /proc/sys/kernel/hostname; $*"';

/**
 * Has two machines as long as some work lasts, with so many gigabits a second between them.
 * @param folder for the script that starts a program on one of them, in the place of ssh
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
