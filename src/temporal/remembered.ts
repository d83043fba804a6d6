/** What a function gave for a text, kept: a catalog writes the same few names and days on every line. */
export const remembered = <T>(of: (text: string) => T): ((text: string) => T) => {
  const known = new Map<string, T>();
  return (text) => {
    let value = known.get(text);
    if (value === undefined) {
      value = of(text);
      if (known.size < 100_000) known.set(text, value);
    }
    return value;
  };
};
