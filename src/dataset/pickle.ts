import { Fault } from '../fault.js';
import {
  floatFromText,
  longFromBytes,
  longFromText,
  PickleError,
  pickleReader,
  quotedBytes,
  rawUnicodeEscape,
} from './pickle-reader.js';

/**
 * Python pickles, protocols 0 to 5, read as data: no name in the file is ever looked up or run. A name that is not on
 * the caller's allow-list ends the reading. (npm's pickleparser takes a resolver for names, but pollutes prototypes
 * through BUILD and dictionary keys, calls constructors on any argument and overflows the stack on long lists.)
 *
 * Python becomes: None null, int number (bigint beyond 2⁵³), str string, bytes Uint8Array (a view of the file), Python 2
 * str a string with a character for each byte, tuple and list array, dict Map, set Set.
 */

/** On objects that an allowed constructor makes: takes the state that the pickle's BUILD gives. */
export const setState: unique symbol = Symbol('setState');

/** Makes the value that `module.name(*args)` stands for; throws {@link PickleError} when the arguments don't fit. */
export type Constructor = (args: readonly unknown[]) => unknown;

export interface UnpickleOptions {
  /** The file, for messages. */
  path: string;
  /** By `module.name`. */
  allow: ReadonlyMap<string, Constructor>;
  /** What the file should hold, for the message about a name off the list: `numpy arrays`. */
  holds: string;
  /** Values that the pickle keeps outside itself, by their persistent id. */
  persistent?: (id: unknown) => unknown;
  /** Values of the file at most (default 4 million). */
  limit?: number;
}

interface GlobalName {
  name: string;
  construct: Constructor;
}

/** Values of one file, and values it keeps for later, at most; the 16 915 patches of the paper take 0.8 million. */
const defaultLimit = 4_000_000;

/** Dictionaries and sets at most: one takes a byte of the file and 200 of memory. */
const mostMaps = 100_000;

const isMap = (value: unknown): value is Map<unknown, unknown> => value instanceof Map;

const machine = (
  bytes: Uint8Array,
  { allow, persistent, limit = defaultLimit }: Omit<UnpickleOptions, 'path' | 'holds'>,
): unknown => {
  const reader = pickleReader(bytes);
  const stack: unknown[] = [];
  const marks: number[] = [];
  const memo = new Map<number, unknown>();
  const globals = new WeakMap<object, GlobalName>();
  const tuples = new WeakSet<object>();
  let pushed = 0;
  let maps = 0;

  const push = (value: unknown): void => {
    if (++pushed > limit) throw new PickleError(`holds more than ${limit} values`);
    stack.push(value);
  };
  const counted = <T extends Map<unknown, unknown> | Set<unknown>>(made: T): T => {
    if (++maps > mostMaps) throw new PickleError(`holds more than ${mostMaps} dictionaries and sets`);
    return made;
  };
  const floor = (): number => marks.at(-1) ?? 0;
  const top = (): unknown => {
    if (stack.length <= floor()) throw new PickleError('takes a value where there is none');
    return stack[stack.length - 1];
  };
  const pop = (): unknown => {
    const value = top();
    stack.pop();
    return value;
  };
  const popToMark = (): unknown[] => {
    const mark = marks.pop();
    if (mark === undefined) throw new PickleError('closes what it did not open');
    return stack.splice(mark);
  };
  const pushTuple = (items: unknown[]): void => {
    tuples.add(items);
    push(items);
  };
  const list = (): unknown[] => {
    const value = top();
    if (!Array.isArray(value) || tuples.has(value)) throw new PickleError('appends to what is no list');
    return value;
  };
  const setItems = (items: readonly unknown[]): void => {
    const map = top();
    if (!isMap(map)) throw new PickleError('sets an item of what is no dictionary');
    if (items.length % 2 !== 0) throw new PickleError('has a key without a value');
    for (let k = 0; k < items.length; k += 2) map.set(items[k], items[k + 1]);
  };
  const addItems = (set: Set<unknown>, items: readonly unknown[]): Set<unknown> => {
    for (const item of items) set.add(item);
    return set;
  };
  const global = (module: unknown, name: unknown): object => {
    const full = `${String(module)}.${String(name)}`;
    const construct = typeof module === 'string' && typeof name === 'string' ? allow.get(full) : undefined;
    if (!construct) throw new PickleError(`asks for ${full.slice(0, 100)}`);
    const token = Object.freeze({ global: full });
    globals.set(token, { name: full, construct });
    return token;
  };
  const call = (callee: unknown, args: unknown): void => {
    const found = typeof callee === 'object' && callee !== null ? globals.get(callee) : undefined;
    if (!found) throw new PickleError('calls what is no constructor');
    if (!Array.isArray(args)) throw new PickleError(`calls ${found.name} without a list of arguments`);
    push(found.construct(args));
  };
  const build = (state: unknown): void => {
    const target = top();
    if (typeof target === 'object' && target !== null && setState in target)
      (target as { [setState]: (state: unknown) => void })[setState](state);
    // attributes of a dictionary (torch keeps `_metadata` there): nothing that we read
    else if (!isMap(target)) throw new PickleError('sets the state of what has none');
  };
  const keep = (index: number): void => {
    if (memo.size >= limit) throw new PickleError(`keeps more than ${limit} values`);
    memo.set(index, top());
  };
  const recall = (index: number): void => {
    if (!memo.has(index)) throw new PickleError(`recalls value ${index}, which it did not keep`);
    push(memo.get(index));
  };
  const index = (): number => {
    const value = longFromText(reader.line());
    if (typeof value !== 'number' || value < 0) throw new PickleError('has a bad memo index');
    return value;
  };

  const step: Record<string, () => void> = {
    // framing
    '\x80': () => {
      const protocol = reader.uint8();
      if (protocol > 5) throw new PickleError(`is of protocol ${protocol}; 0 to 5 are known`);
    },
    '\x95': () => {
      const length = reader.uint64();
      if (length > bytes.length - reader.position()) throw new PickleError('ends within a frame');
    },
    // stack and memo
    '(': () => {
      if (++pushed > limit) throw new PickleError(`holds more than ${limit} values`);
      marks.push(stack.length);
    },
    '0': () => {
      if (stack.length > floor()) stack.pop();
      else popToMark();
    },
    '1': () => void popToMark(),
    '2': () => push(top()),
    p: () => keep(index()),
    q: () => keep(reader.uint8()),
    r: () => keep(reader.uint32()),
    '\x94': () => keep(memo.size),
    g: () => recall(index()),
    h: () => recall(reader.uint8()),
    j: () => recall(reader.uint32()),
    // plain values
    N: () => push(null),
    '\x88': () => push(true),
    '\x89': () => push(false),
    I: () => {
      const line = reader.line();
      push(line === '01' ? true : line === '00' ? false : longFromText(line));
    },
    L: () => push(longFromText(reader.line())),
    F: () => push(floatFromText(reader.line())),
    J: () => push(reader.int32()),
    K: () => push(reader.uint8()),
    M: () => push(reader.uint16()),
    G: () => push(reader.float64()),
    '\x8a': () => push(longFromBytes(reader.take(reader.uint8()))),
    '\x8b': () => push(longFromBytes(reader.take(reader.uint32()))),
    S: () => push(quotedBytes(reader.line())),
    T: () => push(reader.take(reader.uint32()).toString('latin1')),
    U: () => push(reader.take(reader.uint8()).toString('latin1')),
    V: () => push(rawUnicodeEscape(reader.line())),
    X: () => push(reader.take(reader.uint32()).toString('utf8')),
    '\x8c': () => push(reader.take(reader.uint8()).toString('utf8')),
    '\x8d': () => push(reader.take(reader.uint64()).toString('utf8')),
    B: () => push(reader.take(reader.uint32())),
    C: () => push(reader.take(reader.uint8())),
    '\x8e': () => push(reader.take(reader.uint64())),
    '\x96': () => push(reader.take(reader.uint64())),
    '\x97': () => {
      throw new PickleError('keeps its data in buffers outside the file');
    },
    '\x98': () => void top(),
    // containers
    ')': () => pushTuple([]),
    t: () => pushTuple(popToMark()),
    '\x85': () => pushTuple([pop()]),
    '\x86': () => {
      const b = pop();
      pushTuple([pop(), b]);
    },
    '\x87': () => {
      const c = pop();
      const b = pop();
      pushTuple([pop(), b, c]);
    },
    ']': () => push([]),
    l: () => push(popToMark()),
    a: () => {
      const item = pop();
      list().push(item);
    },
    e: () => {
      const items = popToMark();
      const target = list();
      for (const item of items) target.push(item);
    },
    '}': () => push(counted(new Map())),
    d: () => {
      const items = popToMark();
      push(counted(new Map()));
      setItems(items);
    },
    s: () => {
      const value = pop();
      const key = pop();
      setItems([key, value]);
    },
    u: () => setItems(popToMark()),
    '\x8f': () => push(counted(new Set())),
    '\x90': () => {
      const items = popToMark();
      const set = top();
      if (!(set instanceof Set)) throw new PickleError('adds to what is no set');
      addItems(set, items);
    },
    '\x91': () => push(addItems(counted(new Set()), popToMark())),
    // names and objects
    c: () => {
      const module = reader.line();
      push(global(module, reader.line()));
    },
    '\x93': () => {
      const name = pop();
      push(global(pop(), name));
    },
    R: () => {
      const args = pop();
      call(pop(), args);
    },
    '\x81': () => {
      const args = pop();
      call(pop(), args);
    },
    '\x92': () => {
      const named = pop();
      if (!isMap(named) || named.size > 0) throw new PickleError('calls a constructor with named arguments');
      const args = pop();
      call(pop(), args);
    },
    i: () => {
      const module = reader.line();
      const callee = global(module, reader.line());
      call(callee, popToMark());
    },
    o: () => {
      const [callee, ...args] = popToMark();
      call(callee, args);
    },
    b: () => build(pop()),
    P: () => push(outside(reader.line())),
    Q: () => push(outside(pop())),
  };
  const outside = (id: unknown): unknown => {
    if (!persistent) throw new PickleError('refers to values outside the file');
    return persistent(id);
  };
  for (const extension of ['\x82', '\x83', '\x84'])
    step[extension] = () => {
      throw new PickleError("asks for a constructor of Python's extension registry");
    };
  const steps = Array.from({ length: 256 }, (_, code) => step[String.fromCharCode(code)]);

  const stop = '.'.charCodeAt(0);
  for (;;) {
    const code = reader.uint8();
    if (code === stop) {
      if (marks.length > 0) throw new PickleError('stops within a container');
      return pop();
    }
    const action = steps[code];
    if (!action)
      throw new PickleError(
        `has no such operation as 0x${code.toString(16)} (byte ${reader.position() - 1})`,
      );
    action();
  }
};

/** A constructor's name as the pickle's own value, for arguments that are types: `{ global: 'torch.FloatStorage' }`. */
export const globalName = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'global' in value && typeof value.global === 'string'
    ? value.global
    : undefined;

/**
 * Reads one pickled value.
 *
 * @throws Fault `pickle: FILE asks for os.system; …` for a name off the list, and for a cut or malformed file
 */
export const unpickle = (bytes: Uint8Array, { path, holds, ...options }: UnpickleOptions): unknown => {
  try {
    return machine(bytes, options);
  } catch (error) {
    if (error instanceof PickleError) throw pickleFault(path, error, holds);
    // a text or container beyond what the engine can hold
    if (error instanceof RangeError || (error as { code?: string }).code === 'ERR_STRING_TOO_LONG')
      throw pickleFault(path, new PickleError('holds a value that is too large'), holds);
    throw error;
  }
};

/** The Fault for what is wrong with a pickle. */
export const pickleFault = (path: string, error: PickleError, holds: string): Fault =>
  new Fault(
    error.message.startsWith('asks for')
      ? `pickle: ${path} ${error.message}; nothing of it was run, a pickle may hold ${holds} only`
      : `pickle: ${path} ${error.message}; it is cut, damaged or not a pickle of ${holds}`,
  );
