import { z } from 'zod';
import { defineLauncher } from './launcher.js';
import { launchProcesses } from './processes.js';
import { shellText } from './shell-text.js';

/** A command of the shell a worker, as ssh to a machine that shares the folder. */
export const command = defineLauncher({
  name: 'command',
  summary: 'Any command of the shell, one a worker, as ssh to machines that share the folder',
  options: () => ({
    run: z
      .string()
      .regex(/\{mtl\}|\{study\}/, 'a command with {mtl} in it, which is what a worker is called with, or {study}, its folder')
      .describe("the command; {worker} is the worker's number, {mtl} the command of the worker, {study} the folder: ssh node{worker} {mtl}"),
    returns: z.boolean().default(false).describe('the command ends at once, and its worker goes on'),
  }),
  isHere: false,
  build: ({ run, returns }) => ({
    async launch({ study, count, mtl, args }) {
      const texts = { mtl: shellText([...mtl, ...args]), study: shellText([study]) };
      const commands = Array.from({ length: count }, (_, i) => ['sh', '-c', run.replace(/\{(worker|mtl|study)\}/g, (_all, name: 'worker' | 'mtl' | 'study') => (name === 'worker' ? String(i + 1) : texts[name]))]);
      const workers = await launchProcesses(study, commands, false, `${count} by ${run}`);
      return returns ? { ...workers, areAlive: async () => (await workers.areAlive(), true) } : workers;
    },
  }),
});
