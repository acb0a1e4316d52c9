/**
 * Deliberate mistakes, each a decision of ports.ts gone wrong: the simulation must find every one.
 *
 * They exist here alone; the project's own code has no switch for any of them.
 */
import type { PlantedFault } from './planted-fault.ts';
import { plantedInRounds } from './planted-rounds.ts';
import { plantedInTasks } from './planted-tasks.ts';

/** Every mistake. */
export const plantedFaults: readonly PlantedFault[] = [...plantedInRounds, ...plantedInTasks];
