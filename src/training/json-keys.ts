/**
 * Keys that occur twice in one object of valid JSON, at any depth. `JSON.parse` silently keeps the last of them, which
 * lets two readers see different contents in one file.
 */
export const duplicateKeys = (json: string): string[] => {
  const found: string[] = [];
  const open: (Set<string> | null)[] = [];
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/gs;
  for (const [text, colon] of json.matchAll(token)) {
    if (text === '{') open.push(new Set());
    else if (text === '[') open.push(null);
    else if (text === '}' || text === ']') open.pop();
    else if (colon !== undefined) {
      const key = JSON.parse(text.slice(0, -colon.length)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) found.push(key);
      keys?.add(key);
    }
  }
  return found;
};
