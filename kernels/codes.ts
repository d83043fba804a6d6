// 16-bit codes of pixels: read through tables, and counted.

@inline function addOne(counts: usize, code: u32): void {
  const at = counts + (<usize>code << 2);
  store<u32>(at, load<u32>(at) + 1);
}

/** `counts[codes[i]] += 1` for each of `count` codes. */
export function countCodes(codes: usize, count: i32, counts: usize): void {
  const end = codes + (<usize>count << 1), whole = codes + (<usize>(count & ~3) << 1);
  let at = codes;
  for (; at < whole; at += 8) {
    const four = load<u64>(at);
    addOne(counts, <u32>(four & 0xffff));
    addOne(counts, <u32>((four >> 16) & 0xffff));
    addOne(counts, <u32>((four >> 32) & 0xffff));
    addOne(counts, <u32>(four >> 48));
  }
  for (; at < end; at += 2) addOne(counts, load<u16>(at));
}

/** The same into two tables: `counts` where `valid` is 1, else `masked`. */
export function countMaskedCodes(codes: usize, valid: usize, count: i32, masked: usize, counts: usize): void {
  const away = counts - masked;
  for (let i: usize = 0; i < <usize>count; i++)
    addOne(masked + (load<u8>(valid + i) == 1 ? away : 0), load<u16>(codes + (i << 1)));
}

/** `codes[i] = table[codes[i]]` for each of `count` codes; up to 3 more are read and written over. */
export function readTable(table: usize, codes: usize, count: i32): void {
  for (let at = codes, end = codes + (<usize>count << 1); at < end; at += 8) {
    const four = load<u64>(at);
    const a = load<u16>(table + (<usize>(four & 0xffff) << 1));
    const b = load<u16>(table + (<usize>((four >> 16) & 0xffff) << 1));
    const c = load<u16>(table + (<usize>((four >> 32) & 0xffff) << 1));
    const d = load<u16>(table + (<usize>(four >> 48) << 1));
    store<u64>(at, <u64>a | (<u64>b << 16) | (<u64>c << 32) | (<u64>d << 48));
  }
}
