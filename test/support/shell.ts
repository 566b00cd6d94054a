import { spawn } from 'node:child_process';
import { expect } from 'vitest';

/**
 * Runs a command line in a directory as a user would type it; `npx mtl` is the local package.
 * @param code expected exit code
 */
export async function shell(folder: string, command: string, code = 0): Promise<{ stdout: string; stderr: string }> {
  // npx takes a second to find the local package.
  const child = spawn(
    'bash',
    ['-euo', 'pipefail', '-c', command.replaceAll(/\bnpx mtl\b/g, 'node node_modules/.bin/mtl')],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const [stdout, stderr, ended] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]);
  expect(ended, `${command}\n${stderr}`).toBe(code);
  return { stdout, stderr };
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}
