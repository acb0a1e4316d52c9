export * from './method.ts';
export { fedavg } from './fedavg.ts';
export * from './registry.ts';
