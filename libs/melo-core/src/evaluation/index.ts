export * from './score-report.ts';
export * from './summary.ts';
export * from './findings.ts';
export * from './scores.ts';
