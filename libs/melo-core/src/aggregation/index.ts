export * from './method.ts';
export * from './registry.ts';
export * from './server-step.ts';
export * from './state.ts';
export * from './aggregate.ts';
export * from './diagnostics.ts';
export * from './outliers.ts';
