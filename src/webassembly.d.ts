// The part of the WebAssembly interface that the kernels use: TypeScript declares it only in its DOM library, which
// would also offer `window` and `document` to code that runs in Node.
declare namespace WebAssembly {
  interface MemoryDescriptor {
    initial: number;
    maximum?: number;
    shared?: boolean;
  }
  class Memory {
    constructor(descriptor: MemoryDescriptor);
    readonly buffer: ArrayBuffer;
    /** Adds pages of 64 KiB; returns how many there were. Detaches `buffer` unless it is shared. */
    grow(pages: number): number;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  const validate: (bytes: Uint8Array) => boolean;
}
