#!/usr/bin/env node
// What starts every call, and nothing more: it answers what needs no more, and lets Node keep what it compiles of the rest
// where it can (22.1 and later).
import module from 'node:module';

if (process.argv[2] === '--version') {
  process.stdout.on('error', () => process.exit(0));
  const { version } = await import('./version.js');
  process.stdout.write(`${await version()}\n`);
} else {
  (module as { enableCompileCache?: () => void }).enableCompileCache?.();
  await import('./run.js');
}
