/**
 * Text of a file that a person wrote: UTF-8, or UTF-16 with its mark, as PowerShell and Notepad save it; null where it is
 * neither.
 */
export const decodeText = (bytes: Uint8Array): string | null => {
  const mark = bytes.length >= 2 ? `${bytes[0]},${bytes[1]}` : '';
  const encoding = mark === '255,254' ? 'utf-16le' : mark === '254,255' ? 'utf-16be' : 'utf-8';
  try {
    // the byte order mark is left out
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
};
