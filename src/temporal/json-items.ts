/** Where an item stands: in a list of features, in OData's `value`, or in a document that is itself a list. */
export type ItemPlace = 'features' | 'value' | 'list';

/** Nothing that a catalog holds lies in more lists and objects than this. */
const deepest = 100;

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Reads JSON item by item, so that a collection of any size is never in memory whole: `read` gets each element of the
 * document's `features` or `value`, or of the document where that is a list.
 *
 * @returns the document with a 0 for each item
 * @throws SyntaxError for what is not JSON, RangeError for lists and objects within more than 100 others
 */
export const readJsonItems = async (
  pieces: AsyncIterable<string>,
  read: (item: unknown, place: ItemPlace) => void,
): Promise<unknown> => {
  /** The document but for its items, and what is there of the item at hand. */
  let [frame, item] = ['', ''];
  let place: ItemPlace | null = null;
  /** Depth of items' separators; none is so deep as yet. */
  let listDepth = Number.POSITIVE_INFINITY;
  let depth = 0;
  let [inString, isEscaped] = [false, false];
  const endItem = (): void => {
    if (item.trim() !== '') {
      read(JSON.parse(item) as unknown, place!);
      frame += '0';
    }
    item = '';
  };
  for await (const piece of pieces) {
    let start = 0;
    /** Hands on what was passed: to the item within the list, to the frame outside. */
    const pass = (end: number): void => {
      if (depth >= listDepth) item += piece.slice(start, end);
      else frame += piece.slice(start, end);
      start = end;
    };
    for (let at = 0; at < piece.length; at++) {
      const letter = piece.charCodeAt(at);
      if (inString) {
        if (isEscaped) isEscaped = false;
        else if (letter === backslash) isEscaped = true;
        else if (letter === quote) inString = false;
      } else if (letter === quote) inString = true;
      else if (letter === openList || letter === openObject) {
        if (depth < listDepth) pass(at + 1);
        depth += 1;
        if (depth > deepest) throw new RangeError('values lie in more than 100 others');
        if (letter === openObject || depth > 2 || depth > listDepth) continue;
        const named = depth === 2 ? /"(features|value)"\s*:\s*\[$/.exec(frame.slice(-200)) : null;
        if (depth === 2 && named === null) continue;
        place = named === null ? 'list' : (named[1] as ItemPlace);
        listDepth = depth;
      } else if (letter === closeList || letter === closeObject) {
        if (depth === listDepth) {
          pass(at);
          endItem();
          listDepth = Number.POSITIVE_INFINITY;
        }
        depth -= 1;
      } else if (letter === comma && depth === listDepth) {
        pass(at);
        endItem();
        frame += ',';
        start = at + 1;
      }
    }
    pass(piece.length);
  }
  return JSON.parse(frame + item) as unknown;
};
