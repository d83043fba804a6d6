/** Tags with a common beginning as `ablation/tv-on-s{1,2,3}`, which a shell expands. */
export const bracedTags = (tags: readonly string[]): string => {
  if (tags.length < 2) return tags.join('');
  let common = 0;
  while (tags.every((tag) => common < tag.length && tag[common] === tags[0][common])) common++;
  // cut at the beginning of a number or word, not within it
  while (common > 0 && /\w/.test(tags[0][common - 1]) && !/[A-Za-z]/.test(tags[0][common - 1])) common--;
  return `${tags[0].slice(0, common)}{${tags.map((tag) => tag.slice(common)).join(',')}}`;
};
