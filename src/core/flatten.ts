/** Returns every value that is not a map as JSON, by its dotted path. */
export function flatten(value: object, path = ''): Map<string, string> {
  const leaves = new Map<string, string>();
  for (const [key, child] of Object.entries(value)) {
    const childPath = path === '' ? key : `${path}.${key}`;
    const isMap =
      typeof child === 'object' && child !== null && !Array.isArray(child) && Object.keys(child as object).length > 0;
    if (isMap) for (const [below, text] of flatten(child as object, childPath)) leaves.set(below, text);
    else if (child !== undefined) leaves.set(childPath, JSON.stringify(child));
  }
  return leaves;
}
