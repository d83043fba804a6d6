import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../src/index.ts', import.meta.url));

/** Docstring and examples of every export. */
const documented = () => {
  const program = ts.createProgram([root], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ESNext,
    skipLibCheck: true,
  });
  const checker = program.getTypeChecker();
  const index = checker.getSymbolAtLocation(program.getSourceFile(root)!)!;
  return checker.getExportsOfModule(index).map((entry) => {
    const symbol = entry.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(entry) : entry;
    return {
      name: entry.name,
      text: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
      examples: symbol
        .getJsDocTags(checker)
        .filter((tag) => tag.name === 'example')
        .map((tag) => ts.displayPartsToString(tag.text)),
    };
  });
};

test('every export of the package has a docstring, and examples call exports alone', () => {
  const exports = documented();
  expect(exports.length).toBeGreaterThan(100);
  expect(exports.filter(({ text }) => text === '').map(({ name }) => name)).toEqual([]);
  const names = new Set(exports.map(({ name }) => name));
  const called = exports.flatMap(({ examples }) =>
    examples.flatMap((example) => [...example.matchAll(/(?<![.\w])(\w+)\(/g)].map(([, name]) => name)),
  );
  expect(called.length).toBeGreaterThan(0);
  expect(called.filter((name) => !names.has(name))).toEqual([]);
}, 60_000);
