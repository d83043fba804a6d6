import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Dealer } from 'zeromq';
import { newConnection } from '../../src/notebook/new-connection.js';
import { launcherPath } from '../../src/notebook/package-root.js';
import { address, decode, encode, newHeader, type WireMessage } from '../../src/notebook/wire.js';
import { requireBuild } from './built.js';
import { inFolder } from './notebook-files.js';

requireBuild();

it(
  'answers a message once, however often it is sent, and outlives malformed ones that are signed',
  async () =>
    inFolder(async (folder) => {
      const connection = await newConnection();
      const file = join(folder, 'connection.json');
      await writeFile(file, JSON.stringify(connection));
      const kernel = spawn(process.execPath, [launcherPath, file], { cwd: folder, stdio: 'ignore' });
      const shell = new Dealer({ linger: 0, receiveTimeout: 60_000 });
      shell.connect(address(connection, connection.shell_port));
      const message = (type: string): WireMessage => ({
        ...{ identities: [], header: newHeader(type, 'test'), parent: {}, metadata: {}, content: {} },
      });
      const send = (one: unknown): Promise<void> => shell.send(encode(connection.key, one as WireMessage));
      try {
        const asked = message('kernel_info_request');
        await send(asked);
        await send(asked);
        for (const header of [null, 5, 'x', {}, { msg_type: 7 }]) await send({ ...message('x'), header });
        await send({ ...message('execute_request'), content: null });
        await send({ ...message('complete_request'), content: { code: 5, cursor_pos: 'x' } });
        const last = message('kernel_info_request');
        await send(last);
        const parents: unknown[] = [];
        while (parents.at(-1) !== last.header.msg_id)
          parents.push(decode(connection.key, await shell.receive()).parent.msg_id);
        expect(parents.filter((id) => id === asked.header.msg_id)).toHaveLength(1);
      } finally {
        shell.close();
        kernel.kill();
      }
    }),
  120_000,
);
