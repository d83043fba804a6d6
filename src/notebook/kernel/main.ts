import { serveKernel } from './server.js';

/** Ends the kernel when the program that started it is gone (Jupyter and our runner set JPY_PARENT_PID). */
const followParent = (): void => {
  const parent = process.ppid;
  if (process.env['JPY_PARENT_PID'] === undefined || process.platform === 'win32') return;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(0);
  }, 1000).unref();
};

const [connectionFile] = process.argv.slice(2);
if (connectionFile === undefined) {
  process.stderr.write('bandalign: kernel: no connection file; Jupyter starts this program\n');
  process.exit(2);
}
followParent();
serveKernel(connectionFile).catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`bandalign: kernel: ${connectionFile}: ${message}\n`);
  process.exit(1);
});
