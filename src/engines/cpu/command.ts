/**
 * Words of a command, counted from the barrier: its number, the list (-1 ends the worker), the number of workers that
 * have started, whether one has exited, and the threads of the team.
 */
export const COMMAND = { number: 4, list: 5, ready: 7, failed: 8, threads: 9 } as const;

/** Words of the barrier and the command. */
export const COMMAND_WORDS = 16;
