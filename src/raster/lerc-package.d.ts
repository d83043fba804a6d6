/** The part of `lerc` that is used here; the package comes without types. */
declare module 'lerc' {
  const Lerc: {
    decode(
      blob: ArrayBuffer,
      options: { returnPixelInterleavedDims: boolean },
    ): { pixels: ArrayLike<number>[]; mask: ArrayLike<number> | null };
  };
  export default Lerc;
}
