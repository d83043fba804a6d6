import type ts from 'typescript';
import type { TypeScript } from './typescript-internals.js';

/** Writes `{ epochs }` as `{ epochs: epochs }`, and `{ epochs = 3 } = x` likewise. */
const spellOut =
  (typescript: TypeScript): ts.TransformerFactory<ts.SourceFile> =>
  (context) =>
  (file) => {
    const { factory } = typescript;
    const visit = (node: ts.Node): ts.Node => {
      const seen = typescript.visitEachChild(node, visit, context);
      if (!typescript.isShorthandPropertyAssignment(seen)) return seen;
      const value = typescript.setOriginalNode(factory.createIdentifier(seen.name.text), seen.name);
      const filled = seen.objectAssignmentInitializer
        ? factory.createAssignment(value, seen.objectAssignmentInitializer)
        : value;
      const whole = factory.createPropertyAssignment(factory.createIdentifier(seen.name.text), filled);
      return typescript.setTextRange(whole, seen);
    };
    return typescript.visitEachChild(file, visit, context);
  };

/** A checker for which the name in `{ epochs }` is the variable, not the property. */
const variablesFirst = (typescript: TypeScript, checker: ts.TypeChecker): ts.TypeChecker => ({
  ...checker,
  getSymbolAtLocation: (node) => {
    const written = typescript.getParseTreeNode(node);
    return written?.parent && typescript.isShorthandPropertyAssignment(written.parent)
      ? checker.getShorthandAssignmentValueSymbol(written.parent)
      : checker.getSymbolAtLocation(node);
  },
});

/**
 * Repairs tslab's treatment of `{ epochs }` where an earlier cell declared `epochs`. tslab points names at the variables
 * of earlier cells, but leaves shorthand properties alone, so that such a cell compiled and then failed with
 * "epochs is not defined".
 */
export const withShorthandProperties = (
  typescript: TypeScript,
  builder: ts.BuilderProgram,
): ts.BuilderProgram => ({
  ...builder,
  getProgram: () => {
    const program = builder.getProgram();
    return {
      ...program,
      getTypeChecker: () => variablesFirst(typescript, program.getTypeChecker()),
    };
  },
  emit: (file, write, token, onlyDeclarations, transformers) =>
    builder.emit(file, write, token, onlyDeclarations, {
      ...transformers,
      before: [spellOut(typescript), ...(transformers?.before ?? [])],
    }),
});
