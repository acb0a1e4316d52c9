export * from './score-report.ts';
export * from './summary.ts';
