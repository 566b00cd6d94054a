const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Returns whether a string is a decimal number, without spaces around it. */
export function isDecimal(text: string): boolean {
  return DECIMAL.test(text);
}
