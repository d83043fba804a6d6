import type ts from 'typescript';

/**
 * What TypeScript's JavaScript exports but its types leave out. The version range of `typescript` is narrow
 * for this reason, and test/notebook covers every use.
 */
export interface TypeScriptInternals {
  Completions: {
    getCompletionsAtPosition: (
      host: Partial<ts.LanguageServiceHost>,
      program: ts.Program,
      ...rest: unknown[]
    ) => ts.CompletionInfo | undefined;
  };
  SymbolDisplay: {
    getSymbolDisplayPartsDocumentationAndSymbolKind: (
      checker: ts.TypeChecker,
      symbol: ts.Symbol,
      file: ts.SourceFile,
      enclosing: ts.Node | undefined,
      location: ts.Node,
    ) => {
      displayParts: ts.SymbolDisplayPart[];
      documentation: ts.SymbolDisplayPart[];
      symbolKind: ts.ScriptElementKind;
      tags: ts.JSDocTagInfo[] | undefined;
    };
    getSymbolModifiers: (checker: ts.TypeChecker, symbol: ts.Symbol) => string;
  };
  getTouchingPropertyName: (file: ts.SourceFile, position: number) => ts.Node;
  getContainerNode: (node: ts.Node) => ts.Node | undefined;
  typeToDisplayParts: (checker: ts.TypeChecker, type: ts.Type, enclosing?: ts.Node) => ts.SymbolDisplayPart[];
  nullTransformationContext: ts.TransformationContext;
}

export type TypeScript = typeof ts & TypeScriptInternals;
