export { createOnnxEngine } from './create.ts';
export { GraphBuilder } from './graph-builder.ts';
export { stepMemory } from './memory.ts';
export { profileSteps, type ProfileRow, type StepProfile } from './profile.ts';
