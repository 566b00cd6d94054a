import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const VENDORS: ReadonlyMap<string, string> = new Map([
  ['0x10de', 'NVIDIA'],
  ['0x1002', 'AMD'],
  ['0x8086', 'Intel'],
]);

/** The machine to inspect: platform and processor as in Node, and the root of its file system. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly root: string;
}

const HERE: Machine = { platform: process.platform, arch: process.arch, root: '/' };

/**
 * Names the GPU that the operating system lists: by NVIDIA's driver, by a render node of Linux, or as part of an Apple
 * processor. Opens no device, which would take 0.1 s or more at every start, so the GPU may lack requirements of WebGPU
 * or CUDA.
 * @returns undefined if none is listed
 */
export function findInstalledGpu({ platform, arch, root }: Machine = HERE): string | undefined {
  if (platform === 'darwin' && arch === 'arm64') return 'Apple GPU';
  if (platform !== 'linux') return undefined;
  return nvidiaGpu(root) ?? renderGpu(root);
}

function nvidiaGpu(root: string): string | undefined {
  const gpus = join(root, 'proc/driver/nvidia/gpus');
  const models = listDir(gpus).map((slot) => /^Model:\s*(\S.*)$/m.exec(readText(join(gpus, slot, 'information')))?.[1]);
  const hasDevice = listDir(join(root, 'dev')).some((name) => /^nvidia\d+$/.test(name));
  return models.find((model) => model !== undefined) ?? (hasDevice ? 'NVIDIA GPU' : undefined);
}

function renderGpu(root: string): string | undefined {
  const nodes = listDir(join(root, 'dev/dri')).filter((name) => name.startsWith('renderD'));
  const vendors = nodes.flatMap(
    (node) => VENDORS.get(readText(join(root, 'sys/class/drm', node, 'device/vendor')).trim()) ?? [],
  );
  return vendors[0] === undefined ? undefined : `${vendors[0]} GPU`;
}

function listDir(path: string): readonly string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
