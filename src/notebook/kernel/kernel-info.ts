import { requireForNotebooks } from '../notebook-packages.js';
import type { Fields } from '../wire.js';

const versionOf = (name: string): string =>
  requireForNotebooks<{ version: string }>(`${name}/package.json`).version;

/** What a kernel tells of itself and of its language. */
export const kernelInfo = (): Fields => ({
  status: 'ok',
  protocol_version: '5.3',
  implementation: 'bandalign',
  implementation_version: versionOf('.'),
  language_info: {
    name: 'typescript',
    version: versionOf('typescript'),
    mimetype: 'text/typescript',
    file_extension: '.ts',
    pygments_lexer: 'typescript',
    nbconvert_exporter: 'script',
    // `mode` serves JupyterLab, `name` with `typescript` the classic notebook
    codemirror_mode: { mode: 'typescript', name: 'javascript', typescript: true },
  },
  banner: `TypeScript ${versionOf('typescript')} for bandalign (tslab ${versionOf('tslab')}, Node ${process.version})`,
  help_links: [],
  debugger: false,
  supported_features: [],
});
