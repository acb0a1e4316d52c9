/**
 * `npm run audit`: known vulnerabilities of what is shipped; fails on a high or critical one.
 *
 * A registry without an audit endpoint (a mirror, often) is no finding: it says "not checked" and ends with 0.
 */
import {
  isStartedAs,
  npmCommand,
  runMain,
  runProgram,
  say,
  ToolError,
} from './support/process.mjs';

const limitMs = 5 * 60_000;
const severities = ['info', 'low', 'moderate', 'high', 'critical'];
const failing = new Set(['high', 'critical']);

/** What npm's report says: findings with their severity, or why nothing was checked. */
export function readAudit(output) {
  const report = parseReport(output);
  if (report === undefined) return { isChecked: false, reason: 'npm gave no report' };
  if (report.vulnerabilities === undefined || report.metadata === undefined) {
    return { isChecked: false, reason: report.message ?? report.error?.summary ?? 'no report' };
  }
  const findings = Object.values(report.vulnerabilities).map(({ name, severity, range }) => {
    if (!severities.includes(severity)) {
      throw new ToolError(`npm audit: expected a known severity of ${name}, got ${severity}`);
    }
    return { name, severity, range };
  });
  return { isChecked: true, findings };
}

/** The exit status that a report leads to. */
export function auditStatus(audit) {
  return audit.isChecked && audit.findings.some(({ severity }) => failing.has(severity)) ? 1 : 0;
}

// Warnings stand before the report where both come through one pipe.
function parseReport(output) {
  const start = output.search(/^\{/m);
  const end = output.search(/^\}/m);
  if (start < 0 || end < start) return undefined;
  try {
    return JSON.parse(output.slice(start, end + 1));
  } catch {
    return undefined; // a message for people
  }
}

async function main() {
  const { program, firstArguments } = npmCommand();
  const scope = ['--omit=dev', '--omit=optional'];
  const { output } = await runProgram(
    program,
    [...firstArguments, 'audit', ...scope, '--json', '--fetch-retries=1'],
    { captured: true, limitMs },
  );
  const audit = readAudit(output);
  if (!audit.isChecked) {
    say(`audit: not checked: ${audit.reason}`);
    return 0;
  }
  for (const { name, severity, range } of audit.findings) say(`${severity}: ${name} ${range}`);
  say(`audit: ${audit.findings.length} findings; high and critical ones fail`);
  return auditStatus(audit);
}

if (isStartedAs(import.meta.url)) await runMain(main);
