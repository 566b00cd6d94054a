import { z } from 'zod';
import { defineLauncher } from './launcher.js';
import { launchProcesses } from './processes.js';
import { shellText } from './shell-text.js';

/** A command of the shell a worker, as ssh to a machine that shares the folder. */
export const command = defineLauncher({
  name: 'command',
  summary: 'Any shell command per worker, such as ssh to machines that share the directory',
  options: () => ({
    run: z
      .string()
      .regex(
        /\{mtl\}|\{study\}/,
        'a command with {mtl} in it, which is what a worker is called with, or {study}, its folder',
      )
      .describe('Shell command per worker, with {worker}, {mtl} and {study} replaced: ssh node{worker} {mtl}'),
    detaches: z.boolean().default(false).describe('Whether the command exits at once while its worker keeps running'),
  }),
  isHere: false,
  build: ({ run, detaches: returns }) => ({
    async launch({ study, count, mtl, args }) {
      const texts = { mtl: shellText([...mtl, ...args]), study: shellText([study]) };
      const commands = Array.from({ length: count }, (_, i) => [
        'sh',
        '-c',
        run.replace(/\{(worker|mtl|study)\}/g, (_all, name: 'worker' | 'mtl' | 'study') =>
          name === 'worker' ? String(i + 1) : texts[name],
        ),
      ]);
      const workers = await launchProcesses(study, commands, false, `${count} by ${run}`);
      return returns ? { ...workers, areAlive: async () => (await workers.areAlive(), true) } : workers;
    },
  }),
});
