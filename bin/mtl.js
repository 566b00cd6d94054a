#!/usr/bin/env node
// In a clone, the first run and every run after an edit install and build what is stale; an installed package is ready.
await import('./setup.js');
const { main } = await import('../dist/cli/main.js');
process.exitCode = await main(process.argv.slice(2));
