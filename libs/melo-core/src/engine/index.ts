export * from './types.ts';
export * from './create.ts';
export * from './files.ts';
export * from './head-step.ts';
export * from './loss-coefficients.ts';
export * from './machine.ts';
export * from './one-by-one.ts';
