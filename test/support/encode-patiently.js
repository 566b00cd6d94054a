// Encodes the CSV of the first argument into the directory of the second, with as many threads as the third says
// (default: 2), which wait for each other to start.
const built = (module) => import(`../../dist/${module}.js`);
const [
  { openRows },
  { encodeRows },
  { writeCacheFolder, writeRows },
  { refuseBadRows },
  { blockColumns, dataColumns, encodedFormat, createRowFormat },
  { featureTypes },
  { taskOptions },
] = await Promise.all(
  [
    'data/readers/open-rows',
    'data/pipeline',
    'data/encoding/write-rows',
    'data/rows/rejects',
    'data/rows/row-format',
    'features/feature-types',
    'core/tasks',
  ].map(built),
);
const [file, folder, threads = '2'] = process.argv.slice(2);
const groups = [featureTypes.schema.parse({ type: 'categorical', fields: ['id'] })];
const format = encodedFormat(
  createRowFormat({ tasks: [{ name: 'y', ...taskOptions.parse({ label: 'y' }) }], groups }),
  {
    id: { size: 10 },
  },
);
try {
  const batches = encodeRows(await openRows(file, dataColumns(format)), format, {
    threads: Number(threads),
    isPatient: true,
    onWarning: (text) => process.stdout.write(text),
  });
  await writeCacheFolder(
    { path: folder, source: file, columns: blockColumns(format), entry: () => '{}' },
    refuseBadRows,
    async (policy, writer) => ({
      sizes: new Map(format.fields.map(({ name, rows }) => [name, rows])),
      leftOut: await writeRows(batches, policy, writer),
    }),
  );
} catch (error) {
  process.stderr.write(`${error.name} ${error.kind}: ${error.message}\n`);
  process.exitCode = 9;
}
