/**
 * A cell, or a number, that cannot be taken for what it should be; the reader adds the file, the line and the column.
 */
export class InvalidValueError extends Error {
  override readonly name = 'BadValue';

  /**
   * @param expected what the cell should have held
   * @param cure what to do where a whole column is likely to be like that
   */
  constructor(
    readonly expected: string,
    readonly cure?: string,
  ) {
    super(`expected ${expected}`);
  }
}
