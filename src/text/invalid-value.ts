/** Thrown for an invalid value; the reader adds file, line and column. */
export class InvalidValueError extends Error {
  override readonly name = 'BadValue';

  /**
   * @param expected what the value should have been
   * @param cure the fix if the whole column is likely to be invalid
   */
  constructor(
    readonly expected: string,
    readonly cure?: string,
  ) {
    super(`expected ${expected}`);
  }
}
