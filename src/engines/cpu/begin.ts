/** Start of the memory of a program; the bytes below belong to the kernels: stacks of 64 threads and constants. */
export const BEGIN = 16 * 65_536;
