export * from './specification.ts';
export * from './layout.ts';
