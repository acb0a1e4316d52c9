export * from './limits.ts';
export * from './names.ts';
export * from './plan.ts';
export * from './task.ts';
export * from './signed-payloads.ts';
export * from './messages.ts';
export * from './round-state.ts';
export * from './round-reducer.ts';
