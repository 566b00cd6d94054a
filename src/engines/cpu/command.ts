/**
 * Words of a command, relative to the barrier: its number, the list (-1 ends the worker), the rows, the number of ready
 * workers, whether one failed, and the threads of the team.
 */
export const COMMAND = { number: 4, list: 5, rows: 6, ready: 7, failed: 8, threads: 9 } as const;

/** Words of the barrier and the command. */
export const COMMAND_WORDS = 16;
