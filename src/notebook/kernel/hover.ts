import type ts from 'typescript';
import type { TypeScript } from './typescript-internals.js';

/** What an editor shows over a name: its type and documentation, as TypeScript's language service gives it. */
export const quickInfo = (
  typescript: TypeScript,
  file: ts.SourceFile,
  checker: ts.TypeChecker,
  position: number,
): ts.QuickInfo | undefined => {
  const node = typescript.getTouchingPropertyName(file, position);
  if (node === file) return undefined;
  const textSpan = typescript.createTextSpan(node.getStart(file), node.getEnd() - node.getStart(file));
  const container = typescript.getContainerNode(node);
  const symbol = checker.getSymbolAtLocation(node);
  if (symbol === undefined) {
    if (!typescript.isIdentifier(node) && !typescript.isExpression(node)) return undefined;
    return {
      kind: typescript.ScriptElementKind.unknown,
      kindModifiers: '',
      textSpan,
      displayParts: typescript.typeToDisplayParts(checker, checker.getTypeAtLocation(node), container),
    };
  }
  const { displayParts, documentation, symbolKind, tags } =
    typescript.SymbolDisplay.getSymbolDisplayPartsDocumentationAndSymbolKind(
      checker,
      symbol,
      file,
      container,
      node,
    );
  return {
    kind: symbolKind,
    kindModifiers: typescript.SymbolDisplay.getSymbolModifiers(checker, symbol),
    textSpan,
    displayParts,
    documentation,
    tags,
  };
};
