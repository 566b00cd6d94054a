// Encodes the CSV of the first argument into the directory of the second, with as many threads as the third says
// (default: 2), which wait for each other to start.
const built = (module) => import(`../../dist/${module}.js`);
const [
  { openCsv },
  { encodeRows, encodeShards },
  { refuseBadRows },
  { encodedFormat, rowFormatOf },
  { featureTypes },
  { taskOptions },
] = await Promise.all(
  [
    'data/files/csv',
    'data/encoding/encode-shards',
    'data/rows/rejects',
    'data/rows/row-format',
    'features/feature-types',
    'core/tasks',
  ].map(built),
);
const [file, folder, threads = '2'] = process.argv.slice(2);
const groups = [featureTypes.schema.parse({ type: 'categorical', fields: ['id'] })];
const format = encodedFormat(rowFormatOf({ tasks: [{ name: 'y', ...taskOptions.parse({ label: 'y' }) }], groups }), {
  id: { size: 10 },
});
const csv = await openCsv(file);
const source = { csv, indices: new Map(csv.header.map((name, i) => [name, i])) };
try {
  await encodeShards(
    folder,
    () => '{}',
    file,
    format,
    refuseBadRows,
    async (policy, writer) => ({
      leftOut: await encodeRows(source, format, policy, writer, () => undefined, {
        threads: Number(threads),
        isPatient: true,
        onWarning: (text) => process.stdout.write(text),
      }),
    }),
  );
} catch (error) {
  process.stderr.write(`${error.name} ${error.kind}: ${error.message}\n`);
  process.exitCode = 9;
}
