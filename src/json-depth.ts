/** Is there anything beneath more than `limit` arrays and objects? Found without recursion, which a hostile document exhausts. */
export const isDeeperThan = (limit: number, value: unknown): boolean => {
  let level = [value].filter((one) => typeof one === 'object' && one !== null) as object[];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > limit) return true;
    const beneath: object[] = [];
    for (const one of level)
      for (const inner of Array.isArray(one) ? one : Object.values(one))
        if (typeof inner === 'object' && inner !== null) beneath.push(inner as object);
    level = beneath;
  }
  return false;
};
