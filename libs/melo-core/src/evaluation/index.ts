export * from './score-report.ts';
export * from './merge.ts';
export * from './summary.ts';
export * from './calibration.ts';
export * from './intervals.ts';
export * from './bootstrap.ts';
export * from './findings.ts';
export * from './scores.ts';
