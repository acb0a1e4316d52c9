export * from './types.ts';
export * from './adamw.ts';
export * from './schedule.ts';
export * from './loss.ts';
export * from './batches.ts';
export * from './checkpoint.ts';
export * from './local-training.ts';
export * from './evaluate.ts';
