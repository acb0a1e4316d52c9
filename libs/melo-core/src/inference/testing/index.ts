export * from './small-adapters.ts';
