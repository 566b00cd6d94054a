// Runs before each test file. `npm run fuzz` sets the seed of all properties, so that a failed round can be repeated;
// otherwise each run draws its own, and fast-check reports it with a failure.
const { MTL_FUZZ_SEED } = process.env;
if (MTL_FUZZ_SEED !== undefined) {
  const { default: fc } = await import('fast-check');
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(MTL_FUZZ_SEED) });
}
