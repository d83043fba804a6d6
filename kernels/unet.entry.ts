// asc unet:
export { columnSums, normBackward, normForward, poolBackward, poolForward } from './norm';
export { crossProduct, product } from './matrix';
export {
  packConv,
  packConvBack,
  packPoint,
  packUp,
  packUpBack,
  planesToRows,
  rowsToPlanes,
  unpackConv,
  unpackPoint,
  unpackUp,
} from './pack';
