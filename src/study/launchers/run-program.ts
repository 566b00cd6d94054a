import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { userError } from '../../errors.js';

/**
 * What a program of an engine prints.
 * @throws UserError (usage) where it is not there or fails, with what it said
 */
export async function runProgram(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, [...args], { encoding: 'utf8' });
    return stdout;
  } catch (error) {
    const { code, stderr = '' } = error as { code?: string | number; stderr?: string };
    if (code === 'ENOENT') throw userError('usage', { where: program, message: 'is not on this machine', fix: 'start the study where it is, or take another launcher' }, error);
    throw userError('usage', { where: [program, ...args].join(' '), message: `failed (${String(code)}): ${stderr.trim()}` }, error);
  }
}
