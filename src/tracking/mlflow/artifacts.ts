import { openAsBlob } from 'node:fs';
import { copyFile, mkdir, stat } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MlflowClient } from './client.js';

/** Where a run's artifacts go. */
export type ArtifactPlace =
  /** through the server, at this path or whole address of its artifact service */
  | { kind: 'proxy'; base: string }
  /** straight into a folder: only when the server is on this machine */
  | { kind: 'folder'; folder: string }
  /** nowhere that this client reaches */
  | { kind: 'refused'; why: string };

const service = '/api/2.0/mlflow-artifacts/artifacts';

const isHere = (address: string): boolean =>
  /^(localhost|127(\.\d+){3}|\[::1\])$/i.test(new URL(address).hostname);

const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** Decides by the scheme of a run's `artifact_uri`. */
export const artifactPlace = (address: string, uri: string): ArtifactPlace => {
  const scheme = /^([a-z][\w+.-]+):/i.exec(uri)?.[1].toLowerCase();
  if (scheme === 'mlflow-artifacts') {
    const [, host = '', path = ''] = /^[^:]+:(?:\/\/([^/]*))?(.*)$/.exec(uri) ?? [];
    const server = host === '' ? '' : `${new URL(address).protocol}//${host}`;
    return { kind: 'proxy', base: `${server}${service}/${encoded(path.replace(/^\/+|\/+$/g, ''))}` };
  }
  if (scheme === undefined || scheme === 'file') {
    if (isHere(address)) return { kind: 'folder', folder: scheme ? fileURLToPath(uri) : uri };
    return {
      kind: 'refused',
      why: `its artifacts lie in ${uri} on the server's own disk; start the server with --serve-artifacts and --artifacts-destination, and use a new experiment`,
    };
  }
  return {
    kind: 'refused',
    why: `its artifacts lie at ${scheme}:, which only the server should reach; start it with --serve-artifacts and --artifacts-destination, and use a new experiment`,
  };
};

/** Uploads the file `source` as `path` of a run's artifacts; streamed, whatever its size. */
export const putArtifact = async (
  client: MlflowClient,
  place: Exclude<ArtifactPlace, { kind: 'refused' }>,
  path: string,
  source: string,
  signal?: AbortSignal,
): Promise<void> => {
  if (place.kind === 'folder') {
    const to = join(place.folder, path);
    await mkdir(dirname(to), { recursive: true });
    await copyFile(source, to);
    return;
  }
  const { size } = await stat(source);
  await client.request({
    method: 'PUT',
    path: `${place.base}/${encoded(posix.normalize(path))}`,
    body: { size, open: () => openAsBlob(source) },
    signal,
  });
};
