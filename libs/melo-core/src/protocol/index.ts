export * from './limits.ts';
export * from './names.ts';
export * from './plan.ts';
