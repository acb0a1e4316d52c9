/** What `npm run audit` and `npm run sbom` make of npm's answers. */
import { auditStatus, readAudit } from './audit.mjs';
import { readSbom } from './sbom.mjs';

const report = (severity: string): string =>
  `npm warn something\n${JSON.stringify(
    {
      vulnerabilities: { left: { name: 'left', severity, range: '<2' } },
      metadata: { vulnerabilities: {} },
    },
    undefined,
    2,
  )}\n`;

test.each([
  ['moderate', 0],
  ['high', 1],
  ['critical', 1],
])('a %s finding leads to status %d', (severity, status) => {
  expect(auditStatus(readAudit(report(severity)))).toBe(status);
});

test('a severity that nobody knows is not passed over', () => {
  expect(() => readAudit(report('dreadful'))).toThrow('dreadful');
});

test('a registry without an audit endpoint is said to be not checked, with its reason', () => {
  const answer = `npm error audit endpoint returned an error\n${JSON.stringify({ message: '405 Method Not Allowed', statusCode: 405, error: {} }, undefined, 2)}\nnpm error A complete log\n`;
  const audit = readAudit(answer);
  expect(audit).toEqual({ isChecked: false, reason: '405 Method Not Allowed' });
  expect(auditStatus(audit)).toBe(0);
  expect(readAudit('npm error network')).toMatchObject({ isChecked: false });
});

test('a list of packages keeps nothing that differs from run to run', () => {
  const made = (serialNumber: string, name: string): string =>
    JSON.stringify(
      {
        bomFormat: 'CycloneDX',
        serialNumber,
        metadata: { timestamp: serialNumber, component: { name } },
        components: [{ name: 'zod' }],
      },
      undefined,
      2,
    );
  expect(readSbom(made('a', 'one'))).toEqual(readSbom(made('b', 'other')));
  expect(() => readSbom('{"bomFormat":"CycloneDX","components":[]}')).toThrow('got none');
  expect(() => readSbom('no json')).toThrow('expected CycloneDX');
});
