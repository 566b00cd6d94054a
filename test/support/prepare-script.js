// A rank of test/cluster/prepare.test.ts: `mtl prepare` with chunks of a given size.
import { openPeers } from '../../dist/cluster/open-peers.js';
import { prepare } from '../../dist/prepare.js';

const peers = openPeers();
try {
  await peers.runCollectively(() =>
    prepare({ ...JSON.parse(process.argv[2]), peers, signal: new AbortController().signal }, () => undefined),
  );
  peers.end();
} catch (error) {
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
