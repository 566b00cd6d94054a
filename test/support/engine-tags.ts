/** Returns the tags of the tests of an engine: `npm test` runs those of the CPU engine. */
export function engineTags(engine: string): string[] {
  return engine === 'cpu' || engine.endsWith('simd') ? [] : ['long'];
}
