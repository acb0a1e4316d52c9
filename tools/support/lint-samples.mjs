/**
 * Lint pieces of text as if they stood at given paths: samples as JSON on standard input, findings as JSON on standard
 * output. Without type information, so that a sample need not be a file; test/lint-rules.spec.ts uses it.
 */
import { text } from 'node:stream/consumers';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { repositoryFolder } from './process.mjs';

const eslint = new ESLint({
  cwd: repositoryFolder,
  overrideConfig: [tseslint.configs.disableTypeChecked],
});
const samples = JSON.parse(await text(process.stdin));
const findings = [];
for (const { path, code } of samples) {
  const [result] = await eslint.lintText(code, { filePath: path });
  findings.push(result.messages.map(({ ruleId, message }) => ({ rule: ruleId, message })));
}
process.stdout.write(JSON.stringify(findings));
