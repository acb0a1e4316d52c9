export * from './score-report.ts';
