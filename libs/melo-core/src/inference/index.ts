export * from './adapter-library.ts';
export * from './task-predictor.ts';
